import numpy as np
import pytest

from deepfake_tf.generalising import calibrating
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
    by_video = {name: row // 2 % 2 for row, name in enumerate(right.video_ids)}
    found = calibrating.out_of_fold(right, by_video)
    assert found["ece"] < 0.1
    assert Decision.from_json(found["decision"]).calibration.scale > 0.1
    wrong = videos(-right.logits)
    found = calibrating.out_of_fold(wrong, by_video)
    assert found["brier"] == pytest.approx(0.25, abs=0.001)
    decision = Decision.from_json(found["decision"])
    scores = measures.scores_of(wrong.logits, decision)
    assert np.all(np.abs(scores - 0.5) < decision.band)
    assert np.array_equal(np.argsort(scores), np.argsort(wrong.logits))
