"""Choosing how a run's logits become answers, on its validation split, into RUN/calibration.json.

    clip logits --joining--> video logits --calibration--> scores --threshold, band--> answers

The rule with the lowest log loss is chosen, each after its own temperature, so that a rule is not preferred for being
less certain. The same videos chose the epoch that was kept, so that what is said of them here is a little too good: the
test split says how good it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import metrics
from deepfake_tf.errors import ConfigError
from deepfake_tf.judging import calibration, decision, scoring
from deepfake_tf.judging.decision import Decision, Goal
from deepfake_tf.judging.scoring import VideoScores
from deepfake_tf.reporting import measures
from deepfake_tf.reporting.evaluation import check_data, labelled_clips
from deepfake_tf.runs import load_run
from deepfake_tf.schema import FAKE, JOINING_RULES, REAL, SCORE_BINS

AUTO = "auto"
INCONCLUSIVE_SHARE = 0.1
_SHOWN = ("log_loss", "brier", "ece", "roc_auc")


@dataclass(frozen=True)
class Wanted:
    """What is to be chosen, and how.

    Attributes:
        joining: one of schema.JOINING_RULES, or "auto".
        method: one of calibration.METHODS.
        goal: what the threshold is for.
        inconclusive: share of the videos that the band may leave inconclusive, in [0, 1).
    """

    joining: str = AUTO
    method: str = "temperature"
    goal: Goal = field(default_factory=Goal)
    inconclusive: float = INCONCLUSIVE_SHARE

    def __post_init__(self) -> None:
        if self.joining not in (AUTO, *JOINING_RULES):
            raise ConfigError(f"Unknown joining rule {self.joining!r}. Known: {', '.join((AUTO, *JOINING_RULES))}.")


def calibrate(
    run_dir: Path | str,
    data_dir: Path | str,
    wanted: Wanted = Wanted(),
    *,
    split: str = "val",
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Chooses joining, calibration, threshold and band, and writes RUN/calibration.json.

    What was chosen before is replaced.

    Args:
        run_dir: a finished run.
        data_dir: a finished extraction.
        wanted: what to choose, and how.
        split: whose videos to choose on: val, or train where there is no better.
        on_progress: called with the number of batches done and of all.

    Returns:
        {"decision", "chosen_on": {"data", "num_real", "num_fake", "goal", "joinings", "before", "after", "rates",
        "score_histogram", "notes"}}

    Raises:
        ConfigError: the split is the test split, or something is not known.
        DataError: the split lacks a class, or the goal cannot be reached.
    """
    if split == "test":
        raise ConfigError(
            "What is chosen on the test split is measured on nothing. Choose on --split val, and evaluate on test."
        )
    model, run = load_run(run_dir)
    fingerprint = check_data(run, data_dir)
    clips = labelled_clips(data_dir, split)
    logits = scoring.predict_logits(model, clips, on_progress=on_progress)
    by_rule = {rule: scoring.join_videos(clips, logits, joining=rule) for rule in JOINING_RULES}
    losses = {rule: _loss_at_its_temperature(videos) for rule, videos in by_rule.items()}
    rule = min(losses, key=losses.__getitem__) if wanted.joining == AUTO else wanted.joining
    chosen = _choose(by_rule[rule], rule, wanted)
    chosen_on = {
        "data": {"path": str(data_dir), "fingerprint": fingerprint, "split": split},
        "goal": wanted.goal.describe(),
        "joinings": losses,
        **_describe(by_rule[rule], chosen),
        "notes": _notes(by_rule[rule], chosen, wanted.goal, losses),
    }
    decision.write(run_dir, run, chosen, chosen_on)
    return {"decision": chosen.to_json(), "chosen_on": chosen_on}


def _loss_at_its_temperature(videos: VideoScores) -> float:
    fitted = calibration.fit(videos.logits, videos.labels, "temperature")
    scores = measures.scores_of(videos.logits, Decision(calibration=fitted))
    return metrics.compute_all(videos.labels, scores)["log_loss"]


def _choose(videos: VideoScores, rule: str, wanted: Wanted) -> Decision:
    fitted = calibration.fit(videos.logits, videos.labels, wanted.method)
    scores = measures.scores_of(videos.logits, Decision(calibration=fitted))
    threshold = decision.choose_threshold(videos.labels, scores, wanted.goal)
    return Decision(rule, fitted, threshold, decision.choose_band(scores, threshold, wanted.inconclusive))


def _describe(videos: VideoScores, chosen: Decision) -> dict[str, Any]:
    """Returns the counts, and what the choice changes on the videos that it was made on."""
    before = Decision(chosen.joining)
    scores = measures.scores_of(videos.logits, chosen)
    return {
        "num_real": int(np.sum(videos.labels == REAL)),
        "num_fake": int(np.sum(videos.labels == FAKE)),
        "before": _values(videos, before),
        "after": _values(videos, chosen),
        "rates": _rates(videos.labels, scores, chosen),
        # A servable carries it, so that a gateway can tell when scores come out otherwise than here.
        "score_histogram": np.histogram(scores, SCORE_BINS, (0.0, 1.0))[0].tolist(),
    }


def _values(videos: VideoScores, chosen: Decision) -> dict[str, float | None]:
    order = None if chosen.calibration.logits else videos.logits
    found = metrics.compute_all(videos.labels, measures.scores_of(videos.logits, chosen), order=order)
    return {name: measures.number_or_none(found[name]) for name in _SHOWN}


def _rates(labels: NDArray[np.int64], scores: NDArray[np.float64], chosen: Decision) -> Mapping[str, float]:
    called, near = scores >= chosen.threshold, np.abs(scores - chosen.threshold) < chosen.band
    return {
        "false_positive": float(np.mean(called[labels == REAL])),
        "true_positive": float(np.mean(called[labels == FAKE])),
        "inconclusive": float(np.mean(near)),
    }


def _notes(videos: VideoScores, chosen: Decision, goal: Goal, losses: Mapping[str, float]) -> list[str]:
    num_real = int(np.sum(videos.labels == REAL))
    notes = []
    if goal.max_false_rate is not None and num_real * goal.max_false_rate < 1:
        notes.append(
            f"{num_real} reals cannot show a rate of {goal.max_false_rate:.3g}: the threshold lies above all of them, "
            f"and up to {min(1.0, 3 / num_real):.0%} of other reals may still be called fake"
        )
    if chosen.calibration.logits and len(videos.labels) < calibration.FEW_FOR_ISOTONIC:
        notes.append(
            f"isotonic from {len(videos.labels)} videos follows chance; it wants {calibration.FEW_FOR_ISOTONIC} or more"
        )
    spread = max(losses.values()) - min(losses.values())
    if spread < 1e-3:
        notes.append("the joining rules hardly differ on these videos")
    return notes
