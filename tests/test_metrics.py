"""Metrics against hand calculation and scikit-learn, and the bootstrap against what it promises."""

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf import metrics, plugins
from deepfake_tf.metrics import accuracy, bootstrap_interval, roc_auc

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
    "log_loss": -(math.log(0.9) + math.log(0.4) + math.log(0.8) + math.log(0.5) + math.log(0.3)) / 5,
}


def test_every_metric_of_the_hand_calculation_is_there():
    assert set(BY_HAND) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_gives_a_number_and_documents_itself(name):
    module = plugins.load("metrics", name)
    assert isinstance(module.compute(LABELS, SCORES), float)
    assert module.__doc__


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_a_metric_equals_the_hand_calculation(name):
    assert plugins.load("metrics", name).compute(LABELS, SCORES) == pytest.approx(BY_HAND[name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_gives_a_number_or_nan_and_no_warning(name, label):
    value = plugins.load("metrics", name).compute(np.full(3, label), np.array([0.1, 0.2, 0.3]))
    assert isinstance(value, float)
    if name == "roc_auc":
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


def test_interval_contains_the_value_and_repeats():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    scores = np.clip(labels * 0.2 + rng.random(60) * 0.8, 0, 1)
    groups = [str(number) for number in range(60)]
    low, high = bootstrap_interval(roc_auc.compute, labels, scores, groups, num_draws=300)
    assert 0 < low < roc_auc.compute(labels, scores) < high <= 1
    assert (low, high) == bootstrap_interval(roc_auc.compute, labels, scores, groups, num_draws=300)


def test_what_shares_a_group_is_drawn_together():
    # 20 copies of each of 10 rows: 200 rows say no more than 10, so the interval must not shrink.
    rng = np.random.default_rng(1)
    labels = np.tile([0, 1], 5)
    scores = rng.random(10)
    copies = np.repeat(np.arange(10), 20)
    names = [str(number) for number in range(10)]
    alone = bootstrap_interval(accuracy.compute, labels, scores, names, num_draws=400)
    repeated = bootstrap_interval(
        accuracy.compute, labels[copies], scores[copies], [names[row] for row in copies], num_draws=400
    )
    assert repeated == pytest.approx(alone, abs=0.05)
    as_if_independent = bootstrap_interval(
        accuracy.compute, labels[copies], scores[copies], [str(row) for row in range(200)], num_draws=400
    )
    assert as_if_independent[1] - as_if_independent[0] < 0.5 * (alone[1] - alone[0])


def test_interval_covers_at_about_the_stated_rate():
    # The share of ones in 40 draws of a fair coin; 0.5 must lie inside in about 95 of 100 cases.
    rng = np.random.default_rng(2)
    groups = [str(number) for number in range(40)]
    inside = 0
    for _ in range(200):
        coins = rng.integers(0, 2, 40)
        low, high = bootstrap_interval(lambda labels, _: float(labels.mean()), coins, coins, groups, num_draws=200)
        inside += low <= 0.5 <= high
    assert 0.88 <= inside / 200 <= 0.99


def test_one_group_has_no_interval():
    assert all(math.isnan(end) for end in bootstrap_interval(roc_auc.compute, LABELS, SCORES, ["a"] * 5))


def test_draws_without_a_value_are_left_out():
    # With two groups of one class each, half of the draws have one class only and no AUC.
    assert bootstrap_interval(roc_auc.compute, LABELS, SCORES, ["a", "a", "a", "b", "b"], num_draws=50) == (
        pytest.approx(4 / 6),
        pytest.approx(4 / 6),
    )
