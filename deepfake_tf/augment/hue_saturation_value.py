"""Shifts hue, saturation and value of a clip."""

from dataclasses import dataclass
from typing import Any

from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Shifts the colours of every frame alike.

    Attributes:
        hue: largest turn of the hue, in OpenCV's degrees (half a degree of the colour circle each).
        saturation: largest change of saturation, in grey levels.
        value: largest change of value, in grey levels.
    """

    hue: int = 20
    saturation: int = 30
    value: int = 20

    def transform(self) -> Any:
        """Returns Albumentations' HueSaturationValue."""
        import albumentations

        return albumentations.HueSaturationValue(
            hue_shift_limit=(-self.hue, self.hue),
            sat_shift_limit=(-self.saturation, self.saturation),
            val_shift_limit=(-self.value, self.value),
            p=self.probability,
        )
