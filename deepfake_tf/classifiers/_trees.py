"""Decision trees as arrays, walked down all at once: one step of every tree for every clip at a time.

Shape letters: B clips, D features, R trees, M nodes of all trees together.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from deepfake_tf.probing.fitted import Arrays

_LEAF = -1


def to_arrays(trees: Sequence[Any], values: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
    """Returns the nodes of all trees, one after the other.

    Args:
        trees: scikit-learn's Tree objects.
        values: for each of them, what its nodes answer, [its number of nodes].

    Returns:
        {"roots": [R], "depth": steps to the lowest leaf, "features", "thresholds", "left", "right", "values": [M]}.
    """
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])

    def join(one_tree: Any) -> NDArray[Any]:
        return np.concatenate([one_tree(tree, start) for tree, start in zip(trees, starts[:-1], strict=True)])

    return {
        "roots": starts[:-1].astype(np.int32),
        "depth": np.int64(max(tree.max_depth for tree in trees)),
        "features": join(lambda tree, _: np.maximum(tree.feature, 0).astype(np.int32)),
        "thresholds": join(lambda tree, _: tree.threshold.astype(np.float64)),
        "left": join(lambda tree, start: _children(tree.children_left, start)),
        "right": join(lambda tree, start: _children(tree.children_right, start)),
        "values": np.concatenate(list(values)).astype(np.float64),
    }


def _children(children: NDArray[np.int64], start: int) -> NDArray[np.int32]:
    # A leaf is its own child, so that all walks may take as many steps.
    own = np.arange(len(children))
    return (start + np.where(children == _LEAF, own, children)).astype(np.int32)


def answers(arrays: Arrays, features: Any) -> Any:
    """Returns what the leaf answers that each tree leads to: [B, R].

    Args:
        arrays: as `to_arrays` returns them.
        features: [B, D].
    """
    # scikit-learn rounds what it splits on to float32, and compares with thresholds of float64.
    rounded = ops.cast(ops.cast(features, "float32"), features.dtype)
    node = ops.zeros_like(rounded[:, :1], dtype="int32") + arrays["roots"]
    for _ in range(arrays["depth"]):
        value = ops.take_along_axis(rounded, ops.take(arrays["features"], node, axis=0), axis=1)
        goes_left = value <= ops.take(arrays["thresholds"], node, axis=0)
        left, right = (ops.take(arrays[side], node, axis=0) for side in ("left", "right"))
        node = ops.where(goes_left, left, right)
    return ops.take(arrays["values"], node, axis=0)
