"""Changes brightness and contrast of a clip."""

from dataclasses import dataclass
from typing import Any, ClassVar

from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Changes brightness and contrast of every frame alike.

    Attributes:
        brightness: largest change of brightness, as a share of white.
        contrast: largest change of contrast, as a share.
    """

    whole_clip: ClassVar[bool] = True
    brightness: float = 0.2
    contrast: float = 0.2

    def transform(self) -> Any:
        """Returns Albumentations' RandomBrightnessContrast."""
        import albumentations

        return albumentations.RandomBrightnessContrast(
            brightness_limit=(-self.brightness, self.brightness),
            contrast_limit=(-self.contrast, self.contrast),
            p=self.probability,
        )
