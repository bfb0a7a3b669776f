"""How a stage's time is dealt out: from hours and measured speeds to epochs of each training.

Rungs are counted at the beginning and models once a recipe is taken, which may be slower than the one that it changes;
both are written down: a cosine needs to know its end, and a run that was stopped must go on to the same one. An epoch
is one of the recipe as it stands; what has more or fewer clips learns from as many in all.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from deepfake_tf.errors import ConfigError
from deepfake_tf.generalising.ingredients import BASE

LADDER_SHARE = 0.4
"""Of the time at most, for trying ingredients; what is left is for the folds and the final model, an equal part each.

No rung learns for more epochs than they do, if the recipe stays as it stands."""

OVERHEAD = 0.15
"""Of the time, for judging and publishing."""


@dataclass(frozen=True)
class Hours:
    """Epochs of each training.

    Attributes:
        seconds: for all trainings.
        clips_per_sec: that a training of each rung takes in, by its name.
        clips_of_a_rung: in an epoch of one, which is without all that it is measured on.
        clips_of_a_model: in an epoch of the final one; a fold has somewhat fewer.
        of_a_rung: one or more; a model of shuffled labels learns for as long.
        of_a_model: of each fold's model and of the final one; 0 until a recipe is taken.
    """

    seconds: float
    clips_per_sec: Mapping[str, float]
    clips_of_a_rung: int
    clips_of_a_model: int
    of_a_rung: int
    of_a_model: int = 0

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return dataclasses.asdict(self)

    def with_models_of(self, name: str, num_folds: int) -> Self:
        """Returns the hours with what rungs have left for models of a recipe: one epoch or more for each of them."""
        left = self.seconds - self.of_a_rung * _seconds_of_rungs(self.clips_per_sec, self.clips_of_a_rung, name)
        of_models = (num_folds + 1) * self.clips_of_a_model / self.clips_per_sec[name]
        return dataclasses.replace(self, of_a_model=max(1, int(left / of_models)))


def deal(
    hours: float,
    *,
    clips_per_sec: Mapping[str, float],
    clips_of_a_rung: int,
    clips_of_a_model: int,
    num_folds: int,
) -> Hours:
    """Deals the time out among rungs, one epoch or more for each.

    Args:
        hours: that are left once clips are cut and fakes are made, above 0.
        clips_per_sec: of each rung by its name, the recipe as it stands among them.
        clips_of_a_rung: see Hours.
        clips_of_a_model: likewise.
        num_folds: trainings that are measured; the final one comes on top.

    Raises:
        ConfigError: hours are not above 0.
    """
    if not hours > 0:
        raise ConfigError(f"hours must be above 0. Received: {hours}")
    seconds = hours * 3600 * (1 - OVERHEAD)
    of_rungs = _seconds_of_rungs(clips_per_sec, clips_of_a_rung, BASE)
    of_models = (num_folds + 1) * clips_of_a_model / clips_per_sec[BASE]
    return Hours(
        seconds=seconds,
        clips_per_sec={name: round(speed, 2) for name, speed in clips_per_sec.items()},
        clips_of_a_rung=clips_of_a_rung,
        clips_of_a_model=clips_of_a_model,
        of_a_rung=max(1, int(min(LADDER_SHARE * seconds / of_rungs, seconds / (of_rungs + of_models)))),
    )


def _seconds_of_rungs(clips_per_sec: Mapping[str, float], num_clips: int, taken: str) -> float:
    """Of one epoch of each, and of one of the taken recipe that learns from shuffled labels."""
    return num_clips * (sum(1 / speed for speed in clips_per_sec.values()) + 1 / clips_per_sec[taken])
