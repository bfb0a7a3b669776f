"""The bootstrap over groups against rows that are really repeated, and against what it promises."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_tf import metrics, plugins
from deepfake_tf.metrics import accuracy, roc_auc, tpr_at_fpr_0_01
from deepfake_tf.reporting import resampling
from deepfake_tf.reporting.resampling import Draws, draw_groups, middle

# Scores in tenths tie often; the threshold lies on one of them.
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10), st.integers(0, 3)), min_size=1, max_size=25)


@given(ROWS, st.sampled_from([name for name in plugins.names("metrics") if not name.startswith("tpr_at")]))
@settings(max_examples=200)
def test_a_metric_of_weighted_rows_is_that_of_repeated_rows(rows, name):
    labels, tenths, counts = (np.array(column) for column in zip(*rows, strict=True))
    if not counts.any():
        return
    scores = tenths / 10
    metric = plugins.load("metrics", name)
    found = metric.compute_draws(Draws(labels, scores, np.array([counts, counts], np.float64), 0.7))
    more = {"threshold": 0.7} if metric.OF == "answers" else {}
    expected = metric.compute(np.repeat(labels, counts), np.repeat(scores, counts), **more)
    np.testing.assert_allclose(found, [expected] * 2, atol=1e-12)


@given(ROWS, st.sampled_from([0.0, 0.1, 0.34, 0.5]))
def test_the_highest_true_rate_is_that_of_the_best_threshold(rows, rate):
    labels, tenths, counts = (np.array(column) for column in zip(*rows, strict=True))
    found = resampling.highest_true_rate(Draws(labels, tenths / 10, counts[None].astype(float)), rate)[0]
    labels, tenths = np.repeat(labels, counts), np.repeat(tenths, counts)
    if len(set(labels)) < 2:
        assert math.isnan(found)
        return
    called = [tenths >= threshold for threshold in range(12)]
    kept = [float(np.mean(one[labels == 1])) for one in called if np.mean(one[labels == 0]) <= rate]
    assert found == pytest.approx(max(kept))


def test_whole_groups_are_drawn_and_as_many_as_there_are():
    groups = ["a", "b", "b", "c", "b"]
    weights = np.concatenate(list(draw_groups(groups, num_draws=50, seed=3)))
    assert weights.shape == (50, 5)
    np.testing.assert_array_equal(weights[:, 1], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 1], weights[:, 4])
    np.testing.assert_array_equal(weights[:, 0] + weights[:, 1] + weights[:, 3], 3)
    assert len(np.unique(weights[:, 0])) > 2


def test_parts_of_the_draws_are_the_same_draws(monkeypatch):
    groups = [str(number % 7) for number in range(20)]
    whole = np.concatenate(list(draw_groups(groups, num_draws=30)))
    monkeypatch.setattr(resampling, "_CELLS_AT_ONCE", 100)
    parts = list(draw_groups(groups, num_draws=30))
    assert [len(part) for part in parts] == [5] * 6
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_draws_without_a_value_are_left_out_and_counted():
    found = middle(np.array([0.1, np.nan, 0.3, 0.2, np.nan]), 10**6)
    assert (found.low, found.high, found.num_undefined) == (pytest.approx(0.105), pytest.approx(0.295), 2)
    nothing = middle(np.full(4, np.nan), 10)
    assert math.isnan(nothing.low)
    assert nothing.num_undefined == 4


def test_intervals_of_few_groups_are_wider():
    # Of a mean, it is Student's: 2.26 standard errors for 10 groups, with the variance of n - 1 in place of n.
    values = np.random.default_rng(0).normal(size=10**6)
    for num_groups, expected in [(10, 2.262 * math.sqrt(10 / 9)), (100, 1.984 * math.sqrt(100 / 99))]:
        found = middle(values, num_groups)
        assert found.high == pytest.approx(expected, abs=0.03)
        assert found.low == pytest.approx(-expected, abs=0.03)


def test_two_groups_of_one_class_each_leave_half_of_the_draws_without_an_auc():
    found = metrics.intervals([0, 0, 0, 1, 1], [0.1, 0.6, 0.2, 0.5, 0.3], list("aaabb"))
    auc = found["roc_auc"]
    assert (auc.low, auc.high) == (pytest.approx(4 / 6), pytest.approx(4 / 6))
    assert 400 < auc.num_undefined < 600
    assert found["accuracy"].num_undefined == 0


def test_one_group_has_no_intervals():
    found = metrics.intervals([0, 1, 1], [0.1, 0.6, 0.2], ["a"] * 3)
    assert list(found) == plugins.names("metrics")
    assert all(math.isnan(one.low) and math.isnan(one.high) for one in found.values())


def test_intervals_are_those_of_one_draw_at_a_time():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    scores = np.clip(labels * 0.2 + rng.random(60) * 0.8, 0, 1)
    groups = [str(number // 3) for number in range(60)]
    at_once = metrics.intervals(labels, scores, groups, num_draws=60)
    for metric in (roc_auc, accuracy):
        slow = metrics.bootstrap_interval(metric.compute, labels, scores, groups, num_draws=60)
        name = metric.__name__.rsplit(".")[-1]
        assert (at_once[name].low, at_once[name].high) == pytest.approx(slow)


@pytest.mark.parametrize(("name", "repeats"), [("accuracy", 400), ("roc_auc", 250)])
def test_intervals_cover_the_truth_at_the_stated_rate(name, repeats):
    """Videos of a person share a shift: 95 of 100 intervals hold the truth, but not if videos are drawn alone."""
    num_groups, per_group, gap = 50, 4, 1.5
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(num_groups), per_group)
    labels = groups % 2
    spread = math.sqrt(2)
    # A video's value is its class, its person and noise, each of variance 1; a fake and a real never share a person.
    truth = scipy.stats.norm.cdf(gap / 2 / spread if name == "accuracy" else gap / math.sqrt(2) / spread)
    metric = plugins.load("metrics", name)
    by_group, by_row = (
        np.concatenate(list(draw_groups([str(one) for one in of], num_draws=300)))
        for of in (groups, range(len(labels)))
    )
    inside = inside_by_row = 0
    for _ in range(repeats):
        values = labels * gap + rng.normal(size=num_groups)[groups] + rng.normal(size=len(labels))
        found, blind = (
            middle(metric.compute_draws(Draws(labels, values, own, gap / 2)), number)
            for own, number in ((by_group, num_groups // 2), (by_row, len(labels) // 2))
        )
        inside += found.low <= truth <= found.high
        inside_by_row += blind.low <= truth <= blind.high
    assert 0.91 <= inside / repeats <= 0.98
    assert inside_by_row < inside - 0.07 * repeats


def test_too_few_reals_cannot_show_a_low_rate():
    labels, scores = np.repeat([0, 1], [99, 10]), np.linspace(0, 1, 109)
    assert math.isnan(tpr_at_fpr_0_01.compute(labels, scores))
    assert metrics.why_undefined(labels) == {
        "tpr_at_fpr_0_01": "needs 100 reals or more to see so low a rate; there are 99",
        "tpr_at_fpr_0_001": "needs 1,000 reals or more to see so low a rate; there are 99",
    }
    labels = np.repeat([0, 1], [100, 10])
    # One real of 100 may be called fake: the threshold lies above the second-highest real.
    scores = np.concatenate([np.linspace(0, 0.5, 98), [0.6, 0.8], np.full(4, 0.55), np.full(6, 0.7)])
    assert tpr_at_fpr_0_01.compute(labels, scores) == pytest.approx(0.6)
    assert set(metrics.why_undefined(labels)) == {"tpr_at_fpr_0_001"}
