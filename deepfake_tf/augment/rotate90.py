"""Turns a clip by quarters of a full turn."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deepfake_tf.augment import ClipArray


@dataclass(frozen=True)
class Op:
    """Turns every frame by 0, 90, 180 or 270 degrees, all alike; the frames must be square.

    Attributes:
        probability: chance of it, in [0, 1]; one time in four the turn that is then drawn is none.
    """

    per_frame: ClassVar[bool] = False
    probability: float = 0.5

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the turned clip, uint8 [T, H, W, 3]."""
        random = np.random.default_rng(seed)
        if random.random() >= self.probability:
            return clip
        import cv2

        turn = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)[random.integers(4)]
        if turn is None:
            return clip
        changed = np.empty_like(clip)
        for frame, target in zip(clip, changed, strict=True):
            cv2.rotate(frame, turn, dst=target)
        return changed
