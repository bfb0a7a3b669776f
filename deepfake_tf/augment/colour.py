"""Changes brightness, contrast, saturation and hue of a clip."""

from dataclasses import dataclass
from typing import ClassVar

from deepfake_tf.augment import ClipArray, transform_clip


@dataclass(frozen=True)
class Op:
    """Changes the colours of every frame alike.

    Attributes:
        probability: chance of it, in [0, 1].
        strength: largest change of brightness, contrast and saturation, as a share.
        hue: largest turn of the hue, as a share of the colour circle.
    """

    per_frame: ClassVar[bool] = False
    probability: float = 0.5
    strength: float = 0.2
    hue: float = 0.02

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the changed clip, uint8 [T, H, W, 3]."""
        import albumentations

        span = (1 - self.strength, 1 + self.strength)
        transform = albumentations.ColorJitter(
            brightness=span, contrast=span, saturation=span, hue=(-self.hue, self.hue), p=self.probability
        )
        return transform_clip(transform, clip, seed)
