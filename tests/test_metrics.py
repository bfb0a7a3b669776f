"""Metrics against hand calculation and scikit-learn."""

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf import metrics, plugins
from deepfake_tf.metrics import roc_auc

NAMES = plugins.names("metrics")
LABELS = np.array([0, 0, 0, 1, 1])
SCORES = np.array([0.1, 0.6, 0.2, 0.5, 0.3])

# By hand: called fake are the second and fourth. True fakes 1, false fakes 1, missed 1, right 3 of 5.
# Of the six pairs (fake, real), 0.5 is above 0.1 and 0.2, 0.3 is above 0.1 and 0.2: four.
BY_HAND = {
    "accuracy": 3 / 5,
    "precision": 1 / 2,
    "recall": 1 / 2,
    "f1": 1 / 2,
    "roc_auc": 4 / 6,
    "balanced_accuracy": (2 / 3 + 1 / 2) / 2,
    # From the highest score down: real, fake, fake, real, real. Up to 10 % false positives the curve is at 0.
    "partial_auc": 0.5 * (1 - 0.005 / 0.095),
    "average_precision": (1 / 2 + 2 / 3) / 2,
    # The curve stands at (1/3, 0), (1/3, 1/2), (1/3, 1): there it crosses the diagonal at a third.
    "eer": 1 / 3,
    "brier": (0.01 + 0.36 + 0.04 + 0.25 + 0.49) / 5,
    # Each score is alone in its bin.
    "ece": (0.1 + 0.6 + 0.2 + 0.5 + 0.7) / 5,
    "log_loss": -(math.log(0.9) + math.log(0.4) + math.log(0.8) + math.log(0.5) + math.log(0.3)) / 5,
}


def test_every_metric_of_the_hand_calculation_is_there():
    assert set(NAMES) - set(BY_HAND) == {"tpr_at_fpr_0_01", "tpr_at_fpr_0_001"}


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_gives_a_number_and_documents_itself(name):
    module = plugins.load("metrics", name)
    assert isinstance(module.compute(LABELS, SCORES), float)
    assert module.OF in metrics.KINDS
    assert module.__doc__


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_a_metric_equals_the_hand_calculation(name):
    assert plugins.load("metrics", name).compute(LABELS, SCORES) == pytest.approx(BY_HAND[name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_gives_a_number_or_nan_and_no_warning(name, label):
    value = plugins.load("metrics", name).compute(np.full(3, label), np.array([0.1, 0.2, 0.3]))
    assert isinstance(value, float)
    if plugins.load("metrics", name).OF == "order":
        assert name in metrics.why_undefined(np.full(3, label))
        assert math.isnan(value)


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(rows):
    labels, scores = (np.array(column) for column in zip(*rows, strict=True))
    real, fake = scores[labels == 0], scores[labels == 1]
    found = roc_auc.compute(labels, scores)
    if not len(real) or not len(fake):
        assert math.isnan(found)
    else:
        pairs = [(f > r) + 0.5 * (f == r) for f in fake for r in real]
        assert found == pytest.approx(float(np.mean(pairs)))


def test_compute_all_has_every_metric():
    found = metrics.compute_all(LABELS, SCORES)
    assert list(found) == NAMES
    assert found["roc_auc"] == sklearn.metrics.roc_auc_score(LABELS, SCORES)


@pytest.mark.parametrize(("labels", "scores"), [([0, 1], [0.5]), ([], [])])
def test_compute_all_refuses_what_does_not_fit(labels, scores):
    with pytest.raises(ValueError, match="one label for each score"):
        metrics.compute_all(labels, scores)


def test_the_threshold_and_the_order_reach_the_metrics_that_look_at_them():
    # Scores rounded to 1 tie; their logits do not.
    labels, scores, logits = [0, 1, 1], [1.0, 1.0, 0.8], [40.0, 50.0, 1.4]
    found = metrics.compute_all(labels, scores, threshold=0.9, order=logits)
    assert found["roc_auc"] == 0.5
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert found["brier"] == pytest.approx((1 + 0 + 0.04) / 3)


def test_scores_in_one_bin_are_held_against_its_share_of_fakes():
    # Bins [0.2, 0.3) with mean 0.25 and half fakes, and [0.9, 1] with mean 0.95 and all fakes.
    found = metrics.compute_all([0, 1, 1, 1], [0.2, 0.3 - 1e-9, 0.9, 1.0])["ece"]
    assert found == pytest.approx((2 * 0.25 + 2 * 0.05) / 4, abs=1e-6)
