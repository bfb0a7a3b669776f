"""Blurs a clip."""

from dataclasses import dataclass
from typing import Any

from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Blurs every frame with one Gaussian kernel.

    Attributes:
        sigma_px: range of the kernel's standard deviation, in pixels.
    """

    sigma_px: tuple[float, float] = (0.3, 1.8)

    def transform(self) -> Any:
        """Returns Albumentations' GaussianBlur."""
        import albumentations

        return albumentations.GaussianBlur(blur_limit=0, sigma_limit=self.sigma_px, p=self.probability)
