"""Turns, shifts and zooms a clip a little."""

from dataclasses import dataclass
from typing import ClassVar

from deepfake_tf.augment import ClipArray, transform_clip


@dataclass(frozen=True)
class Op:
    """Turns, shifts and zooms every frame alike; the border is mirrored.

    Attributes:
        probability: chance of it, in [0, 1].
        max_angle_deg: largest turn to either side, in degrees.
        max_zoom: largest change of size, as a share.
        max_shift: largest shift in each direction, as a share of the picture.
    """

    per_frame: ClassVar[bool] = False
    probability: float = 0.5
    max_angle_deg: float = 10.0
    max_zoom: float = 0.1
    max_shift: float = 0.05

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the changed clip, uint8 [T, H, W, 3]."""
        import albumentations
        import cv2

        transform = albumentations.Affine(
            rotate=(-self.max_angle_deg, self.max_angle_deg),
            scale=(1 - self.max_zoom, 1 + self.max_zoom),
            translate_percent=(-self.max_shift, self.max_shift),
            border_mode=cv2.BORDER_REFLECT_101,
            p=self.probability,
        )
        return transform_clip(transform, clip, seed)
