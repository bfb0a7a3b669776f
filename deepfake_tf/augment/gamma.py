"""Bends the brightness curve of a clip."""

from dataclasses import dataclass
from typing import Any, ClassVar

from deepfake_tf.augment._albumentations import AlbumentationsOp


@dataclass(frozen=True)
class Op(AlbumentationsOp):
    """Raises every pixel of every frame to one power.

    Attributes:
        gamma: range of the power, in hundredths: 100 leaves the picture as it is.
    """

    whole_clip: ClassVar[bool] = True
    gamma: tuple[int, int] = (70, 140)

    def transform(self) -> Any:
        """Returns Albumentations' RandomGamma."""
        import albumentations

        return albumentations.RandomGamma(gamma_limit=self.gamma, p=self.probability)
