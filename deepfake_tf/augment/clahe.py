"""Evens out the local contrast of a clip."""

from dataclasses import dataclass
from typing import Any

from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Evens out the local contrast of every frame (contrast limited adaptive histogram equalisation).

    Attributes:
        clip_limit: range of the limit of contrast; 1 leaves the picture as it is.
        tiles: tiles down and across that are evened out each by itself.
    """

    clip_limit: tuple[float, float] = (1.0, 2.0)
    tiles: tuple[int, int] = (8, 8)

    def transform(self) -> Any:
        """Returns Albumentations' CLAHE."""
        import albumentations

        return albumentations.CLAHE(clip_limit=self.clip_limit, tile_grid_size=self.tiles, p=self.probability)
