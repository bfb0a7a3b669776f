"""How a run's logits become answers: joining, calibration, threshold, band, in RUN/calibration.json.

Chosen once, on validation; evaluation and export read it, and a servable carries it in its spec.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake_tf import atomic, schema
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.schema import FAKE, REAL, Calibration

CALIBRATION_FILE = "calibration.json"
CALIBRATION_VERSION = 1


@dataclass(frozen=True)
class Decision:
    """How clip logits become an answer.

    Attributes:
        joining: one of schema.JOINING_RULES.
        calibration: from joined logit to score.
        threshold: a score at or above it is FAKE, in [0, 1].
        band: scores nearer to the threshold are INCONCLUSIVE, in [0, 0.5].
    """

    joining: str = "mean"
    calibration: Calibration = field(default_factory=Calibration)
    threshold: float = 0.5
    band: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values, with the name of the calibration's method."""
        values = dataclasses.asdict(self)
        knots = {name: list(getattr(self.calibration, name)) for name in ("logits", "scores")}
        return values | {"calibration": {"method": self.calibration.method, **values["calibration"], **knots}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Decision":
        """Returns what `to_json` wrote."""
        calibration = {name: value for name, value in values["calibration"].items() if name != "method"}
        return cls(**{**values, "calibration": Calibration(**calibration)})


@dataclass(frozen=True)
class Goal:
    """What the threshold is chosen for: a false-positive rate, or costs, or neither, which leaves it at 0.5.

    Attributes:
        max_false_rate: share of the reals that may be called fake, in [0, 1).
        false_alarm_cost: of a real called fake; a missed fake costs 1.
        share_fakes: of the videos to be judged, in (0, 1), for costs; that of the validation split if None.
    """

    max_false_rate: float | None = None
    false_alarm_cost: float | None = None
    share_fakes: float | None = None

    def __post_init__(self) -> None:
        if self.max_false_rate is not None and self.false_alarm_cost is not None:
            raise ConfigError("A threshold is chosen for a false-positive rate or for costs, not for both.")
        if self.max_false_rate is not None and not 0 <= self.max_false_rate < 1:
            raise ConfigError(f"A false-positive rate lies in [0, 1). Received: {self.max_false_rate}")
        if self.false_alarm_cost is not None and not 0 < self.false_alarm_cost < float("inf"):
            raise ConfigError(f"The cost of a false alarm must be above 0. Received: {self.false_alarm_cost}")
        if self.share_fakes is not None and (self.false_alarm_cost is None or not 0 < self.share_fakes < 1):
            raise ConfigError(
                f"A share of fakes lies in (0, 1) and belongs to a false alarm's cost. Received: {self.share_fakes}"
            )

    def describe(self) -> str:
        """Returns it in words."""
        if self.max_false_rate is not None:
            return f"at most {self.max_false_rate:.3g} of the reals called fake"
        if self.false_alarm_cost is not None:
            share = "as many fakes as here" if self.share_fakes is None else f"a share of {self.share_fakes:g} fakes"
            return f"the lowest cost, a false alarm at {self.false_alarm_cost:g} missed fakes, with {share}"
        return "0.5, where a video is as likely fake as real"


def choose_threshold(labels: ArrayLike, scores: ArrayLike, goal: Goal) -> float:
    """Returns the threshold that the goal asks for on these videos.

    It lies midway between two scores, so that a difference in the last digit does not change an answer.

    Args:
        labels: int [N], 0 real and 1 fake, both present.
        scores: float [N] in [0, 1], calibrated.
        goal: what it is for.

    Raises:
        DataError: no threshold reaches the goal, because too many reals have the highest score there is.
    """
    if goal.max_false_rate is None and goal.false_alarm_cost is None:
        return 0.5
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    ends = np.unique([0.0, *scores, 1.0])
    # At 0 everything is fake, a score of 0 as well.
    candidates, gaps = np.append(0.0, (ends[1:] + ends[:-1]) / 2), np.append(0.0, np.diff(ends))
    false_rate, true_rate = (_share_at_or_above(scores[labels == label], candidates) for label in (REAL, FAKE))
    if goal.max_false_rate is not None:
        kept = np.flatnonzero(false_rate <= goal.max_false_rate)
        if not len(kept):
            raise DataError(
                f"{np.mean(scores[labels == REAL] >= candidates[-1]):.0%} of the reals have the highest score: no "
                f"threshold calls only {goal.max_false_rate:.3g} of them fake. Calibrate otherwise, or train longer."
            )
        return float(candidates[kept[0]])
    share = float(np.mean(labels == FAKE)) if goal.share_fakes is None else goal.share_fakes
    costs = (1 - share) * (goal.false_alarm_cost or 0) * false_rate + share * (1 - true_rate)
    # Of equally good ones, that in the widest gap between scores.
    best = np.flatnonzero(costs <= costs.min() + 1e-12)
    return float(candidates[best[np.argmax(gaps[best])]])


def choose_band(scores: ArrayLike, threshold: float, share: float) -> float:
    """Returns the half-width of the widest band that leaves at most a share of the videos inconclusive.

    It never reaches more than half of the way to 0 or 1, so that both answers stay possible.

    Args:
        scores: float [N] in [0, 1], calibrated.
        threshold: the middle of the band.
        share: in [0, 1).
    """
    if not 0 <= share < 1:
        raise ConfigError(f"The share of inconclusive videos lies in [0, 1). Received: {share}")
    distances = np.sort(np.abs(np.asarray(scores, np.float64) - threshold))
    allowed = int(share * len(distances))
    return float(min(distances[allowed], threshold / 2, (1 - threshold) / 2)) if allowed else 0.0


# The file ------------------------------------------------------------------------------------------------------------


def write(run_dir: Path | str, run: Mapping[str, Any], decision: Decision, chosen_on: Mapping[str, Any]) -> Path:
    """Writes RUN/calibration.json.

    Args:
        run_dir: the folder of a finished run.
        run: what its run.json holds.
        decision: what was chosen.
        chosen_on: on what, what for, and what came of it.
    """
    path = Path(run_dir) / CALIBRATION_FILE
    values = {
        "format_version": CALIBRATION_VERSION,
        "run": schema.fingerprint(run),
        "decision": decision.to_json(),
        "chosen_on": dict(chosen_on),
    }
    atomic.write_whole(path, (json.dumps(values, indent=2) + "\n").encode())
    return path


def read(run_dir: Path | str, run: Mapping[str, Any]) -> tuple[Decision, dict[str, Any] | None]:
    """Reads RUN/calibration.json.

    Args:
        run_dir: the folder of a finished run.
        run: what its run.json holds.

    Returns:
        What was chosen, and on what; without the file the mean of the clips, not calibrated, a threshold of 0.5 and
        None.

    Raises:
        ConfigError: it is damaged, of another version, or was made for another run.
    """
    folder = Path(run_dir) if Path(run_dir).is_dir() else Path(run_dir).parent
    path = folder / CALIBRATION_FILE
    if not path.is_file():
        return Decision(), None
    advice = "Delete it, or calibrate again with pipelines.calibrate."
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["format_version"] != CALIBRATION_VERSION:
            raise ConfigError(
                f"{path} has format version {values['format_version']!r}; this program reads version "
                f"{CALIBRATION_VERSION}. {advice}"
            )
        if values["run"] != schema.fingerprint(run):
            raise ConfigError(f"{path} was made for another run than the one beside it. {advice}")
        return Decision.from_json(values["decision"]), dict(values["chosen_on"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path} is damaged ({error}). {advice}") from error


def _share_at_or_above(scores: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 - np.searchsorted(np.sort(scores), thresholds, side="left") / len(scores)
