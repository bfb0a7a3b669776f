import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepfake_tf.generalising import calibrating
from deepfake_tf.generalising.scores import Said
from deepfake_tf.judging.decision import Decision
from deepfake_tf.judging.scoring import VideoScores
from deepfake_tf.reporting import measures


def videos(logits):
    names = tuple(f"v{row}" for row in range(len(logits)))
    labels = np.arange(len(logits)) % 2
    tracks = tuple({0: float(one)} for one in logits)
    ones = np.ones(len(logits), np.int64)
    return VideoScores(names, labels, names, logits, 1 / (1 + np.exp(-logits)), ones, tracks)


def test_a_score_that_is_wrong_says_nothing():
    random = np.random.default_rng(0)
    right = videos(np.tile([-3.0, 3.0], 20) + random.normal(size=40))
    by_group = {name: row // 2 % 2 for row, name in enumerate(right.groups)}
    found = calibrating.out_of_fold(right, by_group)
    assert found["ece"] < 0.1
    assert Decision.from_json(found["decision"]).calibration.scale > 0.1
    wrong = videos(-right.logits)
    found = calibrating.out_of_fold(wrong, by_group)
    assert found["brier"] == pytest.approx(0.25, abs=0.001)
    decision = Decision.from_json(found["decision"])
    scores = measures.scores_of(wrong.logits, decision)
    assert np.all(np.abs(scores - 0.5) < decision.band)
    assert np.array_equal(np.argsort(scores), np.argsort(wrong.logits))


def test_one_half_is_where_both_are_as_likely_if_they_are_as_many():
    # Three fakes of each real, as they are made: of their overlap the middle is 0, whatever their number.
    random = np.random.default_rng(1)
    many = videos(np.tile([-2.0, 2.0], 600) + 2 * random.normal(size=1200))
    keep = np.flatnonzero((many.labels == 1) | (np.arange(1200) % 6 == 0))
    few = dataclasses.replace(
        many,
        **{name: getattr(many, name)[keep] for name in ("labels", "logits", "scores", "num_clips")},
        **{name: tuple(getattr(many, name)[row] for row in keep) for name in ("video_ids", "groups", "track_logits")},
    )
    by_group = {name: row // 2 % 2 for row, name in enumerate(many.groups)}
    found = calibrating.out_of_fold(few, by_group)
    fitted = Decision.from_json(found["decision"]).calibration
    # Two normal distributions of deviation 2, 4 apart: the log odds are the logit itself.
    assert fitted.scale == pytest.approx(1, abs=0.15)
    assert -fitted.offset / fitted.scale == pytest.approx(0, abs=0.25)
    assert found["ece"] < 0.05


def test_who_knows_only_the_fakes_made_here_is_silenced():
    random = np.random.default_rng(0)
    right = videos(np.tile([-3.0, 3.0], 20) + random.normal(size=40))
    fitted = calibrating.out_of_fold(right, {name: row // 2 % 2 for row, name in enumerate(right.groups)})
    assert calibrating.silence_unless_shown(fitted, right) == {**fitted, "is_silent": False}
    wrong = videos(-right.logits)
    found = calibrating.silence_unless_shown(fitted, wrong)
    assert found["is_silent"]
    # What was made is told as before, and all the same nothing is called anything.
    assert found["ece"] == fitted["ece"]
    decision = Decision.from_json(found["decision"])
    for one in (right, wrong):
        assert np.all(np.abs(measures.scores_of(one.logits, decision) - 0.5) < decision.band)


def test_who_is_right_by_chance_is_silenced_too():
    # Twenty of each, evenly spread, the fakes one and a half higher: an interval from 0.4 to 0.75.
    fitted, spread, fakes = {"decision": Decision().to_json()}, np.repeat(np.arange(20.0), 2), np.tile([0, 1.5], 20)
    by_chance, shown = videos(spread + fakes), videos(spread + 8 * fakes)
    assert 0.55 < roc_auc_score(by_chance.labels, by_chance.logits) < 0.65
    assert calibrating.silence_unless_shown(fitted, by_chance)["is_silent"]
    assert not calibrating.silence_unless_shown(fitted, shown)["is_silent"]


def test_each_video_is_called_something(clips):
    truth = np.where(clips.labels == 1, 3.0, -3.0)
    truth[0] = truth[1] = 0.1
    said = Said(dataclasses.replace(clips, methods=tuple("m" if label else "" for label in clips.labels)), truth)
    found = calibrating.verdicts(said, Decision(band=0.1))
    assert found == {
        "real": {"REAL": 2, "INCONCLUSIVE": 1, "FAKE": 0},
        "m": {"REAL": 0, "INCONCLUSIVE": 0, "FAKE": 3},
    }
