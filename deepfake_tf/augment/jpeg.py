"""Compresses a clip as JPEG files."""

from dataclasses import dataclass
from typing import Any

from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Stores every frame as a JPEG of one quality and reads it back.

    Attributes:
        quality: range of the quality, 1 to 100.
    """

    quality: tuple[int, int] = (30, 100)

    def transform(self) -> Any:
        """Returns Albumentations' ImageCompression."""
        import albumentations

        return albumentations.ImageCompression(quality_range=self.quality, p=self.probability)
