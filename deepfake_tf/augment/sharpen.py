"""Sharpens a clip."""

from dataclasses import dataclass
from typing import Any

from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Sharpens every frame alike.

    Attributes:
        alpha: range of the share of the sharpened picture in the result, in [0, 1].
        lightness: range of the weight of a pixel's own value in the sharpening kernel.
    """

    alpha: tuple[float, float] = (0.2, 0.5)
    lightness: tuple[float, float] = (0.5, 1.0)

    def transform(self) -> Any:
        """Returns Albumentations' Sharpen."""
        import albumentations

        return albumentations.Sharpen(alpha=self.alpha, lightness=self.lightness, p=self.probability)
