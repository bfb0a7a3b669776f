"""Adds the noise of a camera's sensor in poor light to a clip, new in every frame."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deepfake_tf.augment import ClipArray


@dataclass(frozen=True)
class Op:
    """Adds noise of luminance and of colour, of one strength in all frames and new in each.

    Attributes:
        probability: chance of it, in [0, 1].
        intensity: range of the strength, in [0, 1].
        colour_shift: strength of the noise of colour, as a share of the colour circle.
    """

    per_frame: ClassVar[bool] = True
    probability: float = 0.5
    intensity: tuple[float, float] = (0.05, 0.4)
    colour_shift: float = 0.02

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the noisy clip, uint8 [T, H, W, 3]."""
        random = np.random.default_rng(seed)
        if random.random() >= self.probability:
            return clip
        import albumentations

        intensity = random.uniform(*self.intensity)
        transform = albumentations.ISONoise(
            color_shift=(self.colour_shift, self.colour_shift), intensity=(intensity, intensity), p=1
        )
        transform.set_random_seed(seed)
        return np.stack([transform(image=frame)["image"] for frame in clip])
