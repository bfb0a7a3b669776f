"""Turns a clip upside down."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deepfake_tf.augment import ClipArray


@dataclass(frozen=True)
class Op:
    """Mirrors every frame top to bottom, or none.

    Attributes:
        probability: chance of it, in [0, 1].
    """

    per_frame: ClassVar[bool] = False
    probability: float = 0.5

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the clip or its mirror picture, uint8 [T, H, W, 3]."""
        if np.random.default_rng(seed).random() >= self.probability:
            return clip
        import cv2

        mirrored = np.empty_like(clip)
        for frame, target in zip(clip, mirrored, strict=True):
            cv2.flip(frame, 0, dst=target)
        return mirrored
