import json

import numpy as np
import pytest

from deepfake_tf.judging.decision import Decision
from deepfake_tf.reporting import measures
from deepfake_tf.schema import Calibration

LABELS = np.array([0, 0, 0, 1, 1])
LOGITS = np.log(np.array([0.1, 0.2, 0.5, 0.49, 0.92]) / (1 - np.array([0.1, 0.2, 0.5, 0.49, 0.92])))
GROUPS = ["a", "b", "c", "d", "e"]


def test_confusion_counts_rows_as_truth():
    scores = np.array([0.1, 0.2, 0.5, 0.49, 0.92])
    assert measures.confusion(LABELS, scores, 0.5) == [[2, 1], [1, 1]]
    assert measures.confusion(LABELS, scores, 0.15) == [[1, 2], [0, 2]]


def test_what_is_said_of_five_videos():
    found = measures.measure(LABELS, LOGITS, GROUPS, Decision(threshold=0.495, band=0.02))
    assert (found["num_real"], found["num_fake"], found["num_groups"]) == (3, 2, 5)
    assert found["confusion"] == [[2, 1], [1, 1]]
    assert found["answers"] == {
        "real": {"REAL": 2, "INCONCLUSIVE": 1, "FAKE": 0},
        "fake": {"REAL": 0, "INCONCLUSIVE": 1, "FAKE": 1},
    }
    assert found["metrics"]["accuracy"] == pytest.approx(0.6)
    assert found["metrics"]["tpr_at_fpr_0_01"] is None
    assert "needs 100 reals" in found["notes"]["tpr_at_fpr_0_01"]
    assert found["notes"]["intervals"].startswith("one class has 2 groups only")
    assert "draws of groups gave no value" in found["notes"]["roc_auc"]
    assert [one["num"] for one in found["reliability"]] == [1, 1, 1, 1, 1]
    assert found["reliability"][-1] == {
        "low": 0.9,
        "high": 1.0,
        "num": 1,
        "mean_score": pytest.approx(0.92),
        "share_fake": 1.0,
    }
    json.dumps(found, allow_nan=False)


def test_the_curve_is_in_scores_and_ends_at_both_corners():
    found = measures.measure(LABELS, LOGITS, GROUPS, Decision(calibration=Calibration(1.0, 1.0)))["roc"]
    assert (found["fpr"][0], found["tpr"][0], found["thresholds"][0]) == (0.0, 0.0, None)
    assert (found["fpr"][-1], found["tpr"][-1]) == (1.0, 1.0)
    # 0.92 calibrated is sigmoid(logit(0.92) + 1).
    assert found["thresholds"][1] == pytest.approx(0.92 * np.e / (0.92 * np.e + 0.08))


def test_long_curves_are_thinned():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=1000)
    found = measures.measure(rng.integers(0, 2, 1000), logits, [str(one % 9) for one in range(1000)], Decision())
    assert len(found["roc"]["fpr"]) == measures.MAX_CURVE_POINTS


def test_logits_order_what_scores_have_rounded_to_one():
    logits = np.array([50.0, 60.0])
    found = measures.summarise(np.array([0, 1]), logits, ["a", "b"], Decision())
    assert found["metrics"]["roc_auc"] == 1.0
    # An isotonic map makes them equal for whoever is served by it, and the report says what is served.
    level = Decision(calibration=Calibration(logits=(0.0, 1.0), scores=(0.2, 0.7)))
    assert measures.summarise(np.array([0, 1]), logits, ["a", "b"], level)["metrics"]["roc_auc"] == 0.5


def test_what_is_the_same_in_every_draw_has_no_interval():
    # Every fake above every real, in scores that no sum of floats gives exactly.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 33)
    found = measures.summarise(labels, labels * 9 + rng.random(66), [str(one % 22) for one in range(66)], Decision())
    assert found["metrics"]["roc_auc"] == pytest.approx(1.0)
    assert found["intervals"]["roc_auc"] == [None, None]
    assert found["notes"]["roc_auc"].startswith("the same in every draw")
