"""The ways in which videos get worse, each at fixed strengths: compressed, shrunken, blurred, noisy, dark, jerky.

What changes one frame at a time is an op of augment/ with nothing left to chance. What spans the frame or time has no
op: the video itself is stored again (reencoding.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deepfake_tf import augment
from deepfake_tf.augment import blur, brightness_contrast, downscale, gauss_noise, jpeg

CLEAN = "clean"
"""How a curve calls what was not changed."""


@dataclass(frozen=True)
class _Darker(brightness_contrast.Op):
    """Brightness moved by one amount, not by a draw from a range around none."""

    shift: float = 0.0

    def transform(self) -> Any:
        """Returns Albumentations' RandomBrightnessContrast with nothing left to chance."""
        import albumentations

        return albumentations.RandomBrightnessContrast(
            brightness_limit=(self.shift, self.shift), contrast_limit=(0.0, 0.0), p=1.0
        )


@dataclass(frozen=True)
class Degradation:
    """One way in which videos get worse.

    Attributes:
        name: as in robustness.json.
        title: for people.
        unit: of the strengths.
        strengths: in the order of the curve, from mild to strong; "clean" stands before them, or between negative and
            positive ones.
        op: makes the augmentation of a strength; None for what is done to videos.
    """

    name: str
    title: str
    unit: str
    strengths: tuple[float, ...]
    op: Callable[[float], augment.ClipOp] | None = None

    @property
    def level(self) -> str:
        """Whether it is done to clips or to videos."""
        return "clip" if self.op else "video"

    def labels(self) -> list[str]:
        """Returns the strengths as a curve names them, with CLEAN in its place."""
        begin = [f"{one:g}" for one in self.strengths if one < 0]
        return [*begin, CLEAN, *(f"{one:g}" for one in self.strengths if one >= 0)]


DEGRADATIONS = (
    Degradation(
        "jpeg", "JPEG", "quality", (90, 70, 50, 30, 10), lambda x: jpeg.Op(probability=1, quality=(int(x),) * 2)
    ),
    Degradation("h264", "H.264", "constant rate factor", (18, 23, 28, 33, 38, 43)),
    Degradation(
        "downscale",
        "Shrinking",
        "share of the side",
        (0.75, 0.5, 0.35, 0.25),
        lambda x: downscale.Op(probability=1, scale=(x, x)),
    ),
    Degradation(
        "blur", "Blur", "standard deviation in px", (0.5, 1, 2, 3), lambda x: blur.Op(probability=1, sigma_px=(x, x))
    ),
    Degradation(
        "noise",
        "Noise",
        "standard deviation in grey levels",
        (2, 5, 10, 20),
        lambda x: gauss_noise.Op(probability=1, variance=(x * x, x * x)),
    ),
    Degradation(
        "brightness",
        "Brightness",
        "shift as a share of white",
        (-0.4, -0.2, 0.2, 0.4),
        lambda x: _Darker(probability=1, shift=x),
    ),
    Degradation("frame_rate", "Frame rate", "one frame kept of", (2, 3, 5)),
    Degradation("crop_shift", "Crop off centre", "share of the face's box", (0.05, 0.1, 0.2, 0.3)),
)
