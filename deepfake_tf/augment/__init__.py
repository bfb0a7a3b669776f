"""Random changes of a clip, one file per op; `apply` runs a list of them.

A file exposes `Op`, a frozen dataclass whose call takes (clip uint8 [T, H, W, 3], seed) and returns the same shape and
type. Chance is drawn once per clip, so that every frame of it changes alike: change that flickers is itself a trace
that a temporal head would learn. An op that must differ by frame says so with `per_frame = True`. An op that must know
where the face lies says so with `needs_keypoints = True` and takes `keypoints_px` and `mask` as well; in a recipe it
stands before all others, because they may move the face.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError

# Asked for before any op imports Albumentations: it would look for a newer release on the network.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

ClipArray = NDArray[np.uint8]


@runtime_checkable
class ClipOp(Protocol):
    """What every Op is."""

    @property
    def per_frame(self) -> bool:
        """Whether equal frames come out different."""
        ...

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the changed clip, uint8 [T, H, W, 3]; the same for the same seed."""
        ...


def apply(
    ops: Sequence[ClipOp],
    clip: ClipArray,
    seed: int,
    *,
    keypoints_px: NDArray | None = None,
    mask: NDArray | None = None,
) -> ClipArray:
    """Runs ops one after the other, each with a seed of its own.

    Args:
        ops: a recipe's.
        clip: uint8 [T, H, W, 3] RGB; it is not changed.
        seed: 0 or more; the same seed gives the same clip.
        keypoints_px: float32 [T, 6, 2], x and y of BlazeFace's key points in the crop, for ops that need them.
        mask: bool [T], which frames have key points; all if None.

    Returns:
        uint8 [T, H, W, 3].
    """
    seeds = np.random.SeedSequence(seed).generate_state(len(ops)).tolist() if ops else []
    for op, op_seed in zip(ops, seeds, strict=True):
        clip = op(clip, op_seed, **({"keypoints_px": keypoints_px, "mask": mask} if needs_keypoints(op) else {}))
    return clip


def needs_keypoints(op: ClipOp) -> bool:
    """Returns whether an op must be told where the face lies."""
    return getattr(op, "needs_keypoints", False)


def to_json(ops: Sequence[ClipOp]) -> list[dict[str, Any]]:
    """Returns ops as plain JSON values: {"op": its file's name, and each of its settings}."""
    return [{"op": _name(op), **{key: _plain(value) for key, value in _fields(op).items()}} for op in ops]


def from_json(values: Sequence[Mapping[str, Any]]) -> tuple[ClipOp, ...]:
    """Returns the ops that `to_json` wrote.

    Raises:
        ConfigError: there is no such op, or it has no such setting.
    """
    return tuple(_build(value) for value in values)


def _build(value: Mapping[str, Any]) -> ClipOp:
    settings = {key: _from_plain(one) for key, one in value.items() if key != "op"}
    try:
        return plugins.load("augment", value.get("op", "")).Op(**settings)
    except TypeError as error:
        raise ConfigError(f"The op {value['op']!r} does not take these settings: {settings} ({error}).") from error


def _name(op: ClipOp) -> str:
    return type(op).__module__.rpartition(".")[2]


def _fields(op: ClipOp) -> dict[str, Any]:
    return {one.name: getattr(op, one.name) for one in dataclasses.fields(op)}  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return to_json(value) if value and isinstance(value[0], ClipOp) else [_plain(one) for one in value]
    return value


def _from_plain(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return from_json(value) if value and isinstance(value[0], Mapping) else tuple(_from_plain(one) for one in value)
