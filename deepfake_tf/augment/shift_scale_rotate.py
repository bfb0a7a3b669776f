"""Shifts, zooms and turns a clip."""

from dataclasses import dataclass
from typing import Any

from deepfake_tf.augment import ClipArray
from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Shifts, zooms and turns every frame alike; the border is mirrored.

    The defaults are those of Albumentations' ShiftScaleRotate in the releases that articles cite; the class itself is
    deprecated there in favour of Affine, which does the work here.

    Attributes:
        max_shift: largest shift in each direction, as a share of the picture.
        max_zoom: largest change of size, as a share.
        max_angle_deg: largest turn to either side, in degrees.
    """

    max_shift: float = 0.0625
    max_zoom: float = 0.1
    max_angle_deg: float = 45.0

    def transform(self) -> Any:
        """Returns Albumentations' Affine."""
        import albumentations
        import cv2

        return albumentations.Affine(
            translate_percent=(-self.max_shift, self.max_shift),
            scale=(1 - self.max_zoom, 1 + self.max_zoom),
            rotate=(-self.max_angle_deg, self.max_angle_deg),
            border_mode=cv2.BORDER_REFLECT_101,
            p=self.probability,
        )

    def change(self, frame: ClipArray, changed: ClipArray, transform: Any) -> None:
        """Does what Affine does once it has made sure, at a third of the cost of turning, that it is no identity."""
        import cv2

        matrix, size = transform.params["matrix"][:2], (frame.shape[1], frame.shape[0])
        cv2.warpAffine(
            frame, matrix, size, dst=changed, flags=transform.interpolation, borderMode=transform.border_mode
        )
