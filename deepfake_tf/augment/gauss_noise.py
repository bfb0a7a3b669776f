"""Adds Gaussian noise to a clip, new in every frame."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deepfake_tf.augment import ClipArray


@dataclass(frozen=True)
class Op:
    """Adds Gaussian noise of one strength to all frames; the noise itself is new in each, as in a camera.

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
        import albumentations

        share = float(np.sqrt(random.uniform(*self.variance))) / 255
        transform = albumentations.GaussNoise(std_range=(share, share), p=1)
        transform.set_random_seed(seed)
        return np.stack([transform(image=frame)["image"] for frame in clip])
