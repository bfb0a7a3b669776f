"""Adds Gaussian noise to a clip, new in every frame."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deepfake_tf.augment import ClipArray
from deepfake_tf.augment._noise import draw_noise


@dataclass(frozen=True)
class Op:
    """Adds Gaussian noise of one strength to all frames; the noise itself is new in each.

    Attributes:
        probability: chance of it, in [0, 1].
        variance: range of the noise's variance, in squared grey levels. The default is that of the Albumentations
            releases that articles cite; newer ones have a default ten times as strong.
    """

    per_frame: ClassVar[bool] = True
    probability: float = 0.5
    variance: tuple[float, float] = (10.0, 50.0)

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the noisy clip, uint8 [T, H, W, 3]."""
        random = np.random.default_rng(seed)
        if random.random() >= self.probability:
            return clip
        import cv2

        noise = draw_noise(random, clip.shape[1:], float(np.sqrt(random.uniform(*self.variance))), np.int16)
        noisy = np.empty_like(clip)
        for frame, target in zip(clip, noisy, strict=True):
            cv2.add(frame, next(noise), dst=target, dtype=cv2.CV_8U)
        return noisy
