"""Distances between features and those that a classifier keeps."""

from typing import Any

from keras import ops


def squared(features: Any, kept: Any) -> Any:
    """Returns the squared distance of each of features [B, D] to each of kept [N, D]: [B, N], 0 or more."""
    # Multiplied out, so that no array of [B, N, D] is made.
    lengths = ops.sum(ops.square(features), axis=1, keepdims=True) + ops.sum(ops.square(kept), axis=1)
    return ops.maximum(lengths - 2 * ops.matmul(features, ops.transpose(kept)), 0.0)
