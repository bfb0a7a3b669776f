"""Random changes of a clip, one file per op; `apply` runs a list of them.

A file exposes `Op`, a frozen dataclass whose call takes (clip uint8 [T, H, W, 3], seed) and returns the same shape and
type. Chance is drawn once per clip, so that every frame of it changes alike: change that flickers is itself a trace
that a temporal head would learn. An op that must differ by frame says so with `per_frame = True`.
"""

import os
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

# Asked for before any op imports Albumentations: it would look for a newer release on the network.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

ClipArray = NDArray[np.uint8]


class ClipOp(Protocol):
    """What every Op is."""

    per_frame: ClassVar[bool]

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the changed clip, uint8 [T, H, W, 3]; the same for the same seed."""
        ...


def apply(ops: Sequence[ClipOp], clip: ClipArray, seed: int) -> ClipArray:
    """Runs ops one after the other, each with a seed of its own.

    Args:
        ops: a recipe's.
        clip: uint8 [T, H, W, 3] RGB; it is not changed.
        seed: 0 or more; the same seed gives the same clip.

    Returns:
        uint8 [T, H, W, 3].
    """
    for number, op in enumerate(ops):
        clip = op(clip, int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
    return clip


def transform_clip(transform: Any, clip: ClipArray, seed: int) -> ClipArray:
    """Runs one Albumentations transform on all frames with one draw.

    Args:
        transform: an Albumentations transform.
        clip: uint8 [T, H, W, 3] RGB.
        seed: 0 or more.

    Returns:
        uint8 [T, H, W, 3].
    """
    import albumentations

    # A Compose of its own for each call (0.15 ms): threads that share one share its random state.
    return albumentations.Compose([transform], seed=seed)(images=clip)["images"]
