"""Embosses a clip."""

from dataclasses import dataclass
from typing import Any

from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Lifts the edges of every frame as in a relief.

    Attributes:
        alpha: range of the share of the embossed picture in the result, in [0, 1].
        strength: range of the strength of the relief.
    """

    alpha: tuple[float, float] = (0.2, 0.5)
    strength: tuple[float, float] = (0.2, 0.7)

    def transform(self) -> Any:
        """Returns Albumentations' Emboss."""
        import albumentations

        return albumentations.Emboss(alpha=self.alpha, strength=self.strength, p=self.probability)
