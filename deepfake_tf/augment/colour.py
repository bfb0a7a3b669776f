"""Changes brightness, contrast, saturation and hue of a clip."""

from dataclasses import dataclass
from typing import Any

from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Changes the colours of every frame alike.

    Attributes:
        strength: largest change of brightness, contrast and saturation, as a share.
        hue: largest turn of the hue, as a share of the colour circle.
    """

    strength: float = 0.2
    hue: float = 0.02

    def transform(self) -> Any:
        """Returns Albumentations' ColorJitter."""
        import albumentations

        span = (1 - self.strength, 1 + self.strength)
        return albumentations.ColorJitter(
            brightness=span, contrast=span, saturation=span, hue=(-self.hue, self.hue), p=self.probability
        )
