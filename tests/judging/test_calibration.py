"""Calibration against what made the labels, against scikit-learn, and against what it promises of the order."""

import numpy as np
import pytest
import sklearn.isotonic
import sklearn.linear_model
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.judging import calibration, verdict
from deepfake_tf.metrics import ece, log_loss, roc_auc

RNG = np.random.default_rng(0)
TRUE_LOGITS = RNG.normal(0, 1.5, 4000)
LABELS = (RNG.random(4000) < 1 / (1 + np.exp(-TRUE_LOGITS))).astype(int)
# What an overconfident, biased network says of them.
LOGITS = 4 * TRUE_LOGITS + 2


def scores_of(logits, found):
    return np.array([verdict.score(float(one), found) for one in logits])


def test_platt_undoes_what_a_network_did_to_the_logits():
    found = calibration.fit(LOGITS, LABELS, "platt")
    assert found.method == "platt"
    assert found.scale == pytest.approx(0.25, rel=0.07)
    assert found.offset == pytest.approx(-0.5, abs=0.12)


def test_temperature_undoes_overconfidence():
    found = calibration.fit(4 * TRUE_LOGITS, LABELS, "temperature")
    assert (found.method, found.offset) == ("temperature", 0.0)
    assert found.scale == pytest.approx(0.25, rel=0.07)


def test_platt_is_logistic_regression_where_smoothing_hardly_counts():
    found = calibration.fit(LOGITS, LABELS, "platt")
    model = sklearn.linear_model.LogisticRegression(C=1e9).fit(LOGITS[:, None], LABELS)
    assert (found.scale, found.offset) == pytest.approx((model.coef_[0, 0], model.intercept_[0]), rel=0.01)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_scores_of_other_videos_are_better_calibrated(method):
    half = len(LABELS) // 2
    found = calibration.fit(LOGITS[:half], LABELS[:half], method)
    before, after = (scores_of(LOGITS[half:], one) for one in (calibration.Calibration(), found))
    assert ece.compute(LABELS[half:], after) < 0.5 * ece.compute(LABELS[half:], before)
    assert log_loss.compute(LABELS[half:], after) < log_loss.compute(LABELS[half:], before)


@given(st.lists(st.tuples(st.integers(-8, 8), st.integers(0, 1)), min_size=2, max_size=40))
@settings(max_examples=40)
def test_temperature_and_platt_leave_the_order_and_isotonic_never_turns_it(rows):
    logits, labels = (np.array(column, float) for column in zip(*rows, strict=True))
    for method in ("temperature", "platt", "isotonic"):
        try:
            found = calibration.fit(logits, labels, method)
        except DataError:
            continue
        scores = scores_of(logits, found)
        order = np.argsort(logits)
        assert np.all(np.diff(scores[order]) >= 0)
        if method == "isotonic":
            assert roc_auc.compute(labels, scores) >= roc_auc.compute(labels, logits) - 1e-12
        else:
            assert roc_auc.compute(labels, scores) == roc_auc.compute(labels, logits)


def test_isotonic_is_scikit_learns_between_and_on_the_knots():
    found = calibration.fit(LOGITS, LABELS, "isotonic")
    line = sklearn.isotonic.IsotonicRegression(y_min=1 / 4002, y_max=4001 / 4002, out_of_bounds="clip")
    at = np.linspace(-30, 30, 200)
    np.testing.assert_allclose(scores_of(at, found), line.fit(LOGITS, LABELS).predict(at), atol=1e-12)


def test_a_split_without_a_mistake_does_not_make_it_certain():
    logits, labels = np.array([-3.0, -2.0, 2.0, 3.0]), np.array([0, 0, 1, 1])
    for method in ("temperature", "platt"):
        scores = scores_of(logits, calibration.fit(logits, labels, method))
        assert 0.1 < scores.min() < 0.4
        assert 0.6 < scores.max() < 0.9
    assert scores_of(logits, calibration.fit(logits, labels, "isotonic")).max() == pytest.approx(5 / 6)


def test_what_cannot_be_calibrated_is_refused_in_words():
    with pytest.raises(DataError, match="fakes of this split do not score above"):
        calibration.fit(-LOGITS, LABELS, "platt")
    with pytest.raises(DataError, match="3 real and 0 fake"):
        calibration.fit([1.0, 2.0, 3.0], [0, 0, 0], "temperature")
    with pytest.raises(ConfigError, match="Unknown calibration 'beta'"):
        calibration.fit(LOGITS, LABELS, "beta")
    assert calibration.fit(LOGITS, LABELS, "none") == calibration.Calibration()
