import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepfake_tf.generalising import calibrating, scores
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


def of_folds(found):
    return {name: row // 2 % 2 for row, name in enumerate(found.groups)}


def test_a_score_that_is_wrong_says_nothing():
    random = np.random.default_rng(0)
    right = videos(np.tile([-3.0, 3.0], 20) + random.normal(size=40))
    found = calibrating.fit(right, of_folds(right))
    errors = calibrating.errors(right, found)
    assert errors["ece"] < 0.1
    assert 0 <= errors["ece_interval"][0] <= errors["ece"] <= errors["ece_interval"][1] < 0.3
    assert found.whole.calibration.scale > 0.1
    wrong = videos(-right.logits)
    found = calibrating.fit(wrong, of_folds(wrong))
    assert calibrating.errors(wrong, found)["brier"] == pytest.approx(0.25, abs=0.001)
    said = measures.scores_of(wrong.logits, found.whole)
    assert np.all(np.abs(said - 0.5) < found.whole.band)
    assert np.array_equal(np.argsort(said), np.argsort(wrong.logits))


def test_a_fold_has_no_say_in_what_it_is_calibrated_by():
    random = np.random.default_rng(2)
    right = videos(np.tile([-1.0, 1.0], 40) + random.normal(size=80))
    fold_of = of_folds(right)
    folds = np.array([fold_of[name] for name in right.groups])
    # The second fold's logits lie ten higher: what is fitted to the first calls all of them fakes.
    moved = videos(right.logits + 10 * folds)
    said = calibrating.fit(moved, fold_of).scores(moved)
    assert np.all(said[folds == 1] > 0.9)
    assert np.all(said[folds == 0] < 0.1)


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
    found = calibrating.fit(few, of_folds(many))
    fitted = found.whole.calibration
    # Two normal distributions of deviation 2, 4 apart: the log odds are the logit itself.
    assert fitted.scale == pytest.approx(1, abs=0.15)
    assert -fitted.offset / fitted.scale == pytest.approx(0, abs=0.25)
    assert calibrating.errors(few, found)["ece"] < 0.05


def test_who_knows_only_the_fakes_made_here_is_silenced():
    random = np.random.default_rng(0)
    right = videos(np.tile([-3.0, 3.0], 20) + random.normal(size=40))
    fitted = calibrating.fit(right, of_folds(right))
    heard = calibrating.published(fitted, right, right)
    assert (heard["is_silent"], heard["decision"]) == (False, fitted.whole.to_json())
    # As many scores near 0 as near 1.
    assert sum(heard["score_histogram"][:10]) == sum(heard["score_histogram"][10:]) == 20
    wrong = videos(-right.logits)
    found = calibrating.published(fitted, right, wrong)
    assert found["is_silent"]
    decision = Decision.from_json(found["decision"])
    for one in (right, wrong):
        assert np.all(np.abs(measures.scores_of(one.logits, decision) - 0.5) < decision.band)
    # What a server is to expect is what is published: all of them about one half.
    assert sum(found["score_histogram"][9:11]) == 40


def test_who_is_right_by_chance_is_silenced_too():
    # Twenty of each, evenly spread, the fakes one and a half higher: an interval from 0.4 to 0.75.
    spread, fakes = np.repeat(np.arange(20.0), 2), np.tile([0, 1.5], 20)
    by_chance, shown = videos(spread + fakes), videos(spread + 8 * fakes)
    fitted = calibrating.fit(shown, of_folds(shown))
    assert 0.55 < roc_auc_score(by_chance.labels, by_chance.logits) < 0.65
    assert calibrating.published(fitted, shown, by_chance)["is_silent"]
    assert not calibrating.published(fitted, shown, shown)["is_silent"]


@pytest.mark.parametrize("num_groups", [scores.LEAST_GROUPS - 1, scores.LEAST_GROUPS])
def test_a_few_pairs_show_nothing_however_right_they_are(num_groups):
    # One pair a group, each far above its real: with so few that happens by chance.
    found = videos(np.tile([-3.0, 3.0], num_groups) + np.linspace(0, 1, 2 * num_groups))
    pairs = dataclasses.replace(found, groups=tuple(f"g{row // 2}" for row in range(2 * num_groups)))
    fitted = calibrating.fit(found, of_folds(found))
    assert calibrating.published(fitted, found, pairs)["is_silent"] == (num_groups < scores.LEAST_GROUPS)


def test_each_video_is_called_something(clips):
    truth = np.where(clips.labels == 1, 3.0, -3.0)
    truth[0] = truth[1] = 0.1
    said = Said(dataclasses.replace(clips, methods=tuple("m" if label else "" for label in clips.labels)), truth)
    fitted = calibrating.Fitted(Decision(), {0: Decision(band=0.1)}, dict.fromkeys(clips.groups, 0))
    assert calibrating.verdicts(said, fitted) == {
        "real": {"REAL": 2, "INCONCLUSIVE": 1, "FAKE": 0},
        "m": {"REAL": 0, "INCONCLUSIVE": 0, "FAKE": 3},
    }
