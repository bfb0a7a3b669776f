"""Adds the noise of a camera's sensor to a clip, new in every frame."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deepfake_tf.augment import ClipArray
from deepfake_tf.augment._noise import draw_noise


@dataclass(frozen=True)
class Op:
    """Adds noise that grows with the light, of one strength in all frames and new in each.

    A sensor counts photons, so that the variance of a pixel is a constant (reading it out) and a share of its value
    (Foi et al., "Practical Poissonian-Gaussian noise modeling", 2008).

    Attributes:
        probability: chance of it, in [0, 1].
        read_std: range of the noise in the dark, in grey levels.
        gain: range of the variance that each grey level adds, in grey levels.
    """

    per_frame: ClassVar[bool] = True
    probability: float = 0.5
    read_std: tuple[float, float] = (0.5, 5.0)
    gain: tuple[float, float] = (0.02, 0.5)

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the noisy clip, uint8 [T, H, W, 3]."""
        random = np.random.default_rng(seed)
        if random.random() >= self.probability:
            return clip
        import cv2

        variances = random.uniform(*self.read_std) ** 2 + random.uniform(*self.gain) * np.arange(256)
        std_of_level = np.sqrt(variances).astype(np.float32)
        noise = draw_noise(random, clip.shape[1:], 1.0, np.float32)
        noisy = np.empty_like(clip)
        for frame, target in zip(clip, noisy, strict=True):
            scaled = cv2.multiply(cv2.LUT(frame, std_of_level), next(noise))
            cv2.add(frame, scaled, dst=target, dtype=cv2.CV_8U)
        return noisy
