"""How a stage's time is dealt out: from hours and a measured speed to epochs of each training.

Counted once, at the beginning, and written down: a cosine needs to know its end, and a run that was stopped must go on
to the same one.
"""

from dataclasses import dataclass
from typing import Any

from deepfake_tf.errors import ConfigError

LADDER_SHARE = 0.4
"""Of the time at most, for trying ingredients; what is left is for the folds and the final model, an equal part each.

No rung learns for more epochs than they do."""

OVERHEAD = 0.15
"""Of the time, for judging and publishing."""


@dataclass(frozen=True)
class Hours:
    """Epochs of each training.

    Attributes:
        of_a_rung: of the recipe as it stands, to try it; an ingredient is tried on as many clips.
        of_a_model: of each fold's model and of the final one, likewise.
        clips_per_sec: the speed that was measured.
    """

    of_a_rung: int
    of_a_model: int
    clips_per_sec: float

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {"of_a_rung": self.of_a_rung, "of_a_model": self.of_a_model, "clips_per_sec": self.clips_per_sec}


def deal(
    hours: float,
    *,
    clips_per_sec: float,
    clips_of_a_rung: int,
    clips_of_a_model: int,
    num_rungs: int,
    num_folds: int,
) -> Hours:
    """Deals the time out, one epoch or more for each training; what rungs leave of theirs is the models'.

    Args:
        hours: that are left once clips are cut and fakes are made, above 0.
        clips_per_sec: that a training takes in.
        clips_of_a_rung: in an epoch of one, which is without all that it is measured on.
        clips_of_a_model: in an epoch of the final one; a fold has somewhat fewer.
        num_rungs: trainings that try ingredients, and those that check; one or more.
        num_folds: trainings that are measured; the final one comes on top.

    Raises:
        ConfigError: hours are not above 0.
    """
    if not hours > 0:
        raise ConfigError(f"hours must be above 0. Received: {hours}")
    clips = hours * 3600 * (1 - OVERHEAD) * clips_per_sec
    of_rungs, of_models = num_rungs * clips_of_a_rung, (num_folds + 1) * clips_of_a_model
    of_a_rung = max(1, int(min(LADDER_SHARE * clips / of_rungs, clips / (of_rungs + of_models))))
    return Hours(
        of_a_rung=of_a_rung,
        of_a_model=max(1, int((clips - of_a_rung * of_rungs) / of_models)),
        clips_per_sec=round(clips_per_sec, 2),
    )
