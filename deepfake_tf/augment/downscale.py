"""Shrinks a clip and brings it back to its size, which loses fine detail."""

from dataclasses import dataclass
from typing import Any

from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Shrinks every frame and enlarges it again.

    Attributes:
        scale: range of the smaller size, as a share of the full one.
    """

    scale: tuple[float, float] = (0.3, 0.9)

    def transform(self) -> Any:
        """Returns Albumentations' Downscale."""
        import albumentations
        import cv2

        # As sites do it; Albumentations' own default is the nearest pixel, which leaves blocks.
        interpolation = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}
        return albumentations.Downscale(scale_range=self.scale, interpolation_pair=interpolation, p=self.probability)
