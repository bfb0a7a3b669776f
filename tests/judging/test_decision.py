import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.judging import decision
from deepfake_tf.judging.decision import Decision, Goal, choose_band, choose_threshold
from deepfake_tf.schema import Calibration

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.8, 0.25, 0.7, 0.9, 0.95])


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        (Goal(), 0.5),
        (Goal(max_false_rate=0.0), 0.85),  # above the highest real, midway to the next score
        (Goal(max_false_rate=0.25), 0.5),  # one real of four may stand above: between 0.3 and 0.7
        (Goal(max_false_rate=0.5), 0.225),
        (Goal(max_false_rate=0.99), 0.15),
        (Goal(false_alarm_cost=10), 0.85),
        (Goal(false_alarm_cost=0.1), 0.225),  # below the lowest fake
        (Goal(false_alarm_cost=1), 0.5),  # one false alarm and one miss, in the widest such gap
        (Goal(false_alarm_cost=1, share_fakes=0.01), 0.85),
    ],
)
def test_thresholds_of_a_few_videos(goal, expected):
    assert choose_threshold(LABELS, SCORES, goal) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), min_size=1, max_size=30), st.floats(0, 0.99))
def test_the_rate_is_kept_and_no_lower_threshold_keeps_it(rows, rate):
    labels, scores = (np.array(column) for column in zip(*[(0, 0), (1, 9), *rows], strict=True))
    scores = scores / 10
    threshold = choose_threshold(labels, scores, Goal(max_false_rate=rate))
    reals = scores[labels == 0]
    assert np.mean(reals >= threshold) <= rate
    below = np.max(scores[scores < threshold], initial=-1)
    assert below == -1 or np.mean(reals >= below) > rate


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), min_size=1, max_size=30),
    st.floats(0.1, 10),
    st.none() | st.floats(0.01, 0.99),
)
def test_no_other_threshold_costs_less(rows, cost, share):
    labels, scores = (np.array(column) for column in zip(*[(0, 0), (1, 9), *rows], strict=True))
    scores = scores / 10
    fakes = np.mean(labels) if share is None else share

    def cost_at(threshold):
        called = scores >= threshold
        return (1 - fakes) * cost * np.mean(called[labels == 0]) + fakes * np.mean(~called[labels == 1])

    found = choose_threshold(labels, scores, Goal(false_alarm_cost=cost, share_fakes=share))
    assert cost_at(found) <= min(cost_at(other) for other in np.arange(0, 1.01, 0.05)) + 1e-9


def test_a_rate_that_no_threshold_keeps_is_refused():
    with pytest.raises(DataError, match="50% of the reals have the highest score"):
        choose_threshold([0, 0, 1], [0.2, 1.0, 1.0], Goal(max_false_rate=0.1))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.05, 0.95), st.floats(0, 0.9))
def test_the_band_leaves_no_more_than_its_share_and_both_answers(scores, threshold, share):
    band = choose_band(scores, threshold, share)
    inside = np.abs(np.array(scores) - threshold) < band
    assert np.sum(inside) <= share * len(scores)
    assert threshold - band > 0
    assert threshold + band < 1


def test_a_band_of_a_few_videos():
    # Distances from 0.5: 0.4 0.3 0.2 0.3 0.25 0.2 0.4 0.45; the fourth lies at 0.3, but half of the way is 0.25.
    assert choose_band(SCORES, 0.5, 0.3) == pytest.approx(0.25)
    assert choose_band(SCORES, 0.5, 0.1) == 0.0
    assert choose_band(SCORES, 0.85, 0.3) == pytest.approx(0.075)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_false_rate": 0.1, "false_alarm_cost": 1.0}, "not for both"),
        ({"max_false_rate": 1.0}, r"lies in \[0, 1\)"),
        ({"false_alarm_cost": 0.0}, "above 0"),
        ({"share_fakes": 0.5}, "belongs to a false alarm's cost"),
        ({"share_fakes": 1.0, "false_alarm_cost": 1.0}, r"lies in \(0, 1\)"),
    ],
)
def test_goals_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Goal(**values)


def test_a_goal_is_told_in_words():
    assert Goal(max_false_rate=0.05).describe() == "at most 0.05 of the reals called fake"
    assert "a false alarm at 3 missed fakes, with a share of 0.1 fakes" in Goal(None, 3, 0.1).describe()


RUN = {"settings": {"seed": 3}, "result": {}}


@pytest.mark.parametrize(
    "calibration", [Calibration(), Calibration(0.5, 0.1), Calibration(logits=(0.0, 1.0), scores=(0.2, 0.7))]
)
def test_what_was_chosen_comes_back(tmp_path, calibration):
    chosen = Decision("trimmed_mean", calibration, 0.7, 0.05)
    decision.write(tmp_path, RUN, chosen, {"goal": "x"})
    assert decision.read(tmp_path, RUN) == (chosen, {"goal": "x"})
    text = json.loads((tmp_path / "calibration.json").read_text())
    assert text["decision"]["calibration"]["method"] == calibration.method


def test_without_a_file_nothing_was_chosen(tmp_path):
    assert decision.read(tmp_path, RUN) == (Decision(), None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "version 99; this program reads version 1"),
        ({"run": "another"}, "made for another run"),
        ({"decision": {}}, "damaged"),
        ({"decision": None}, "damaged"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_advice(tmp_path, change, message):
    path = decision.write(tmp_path, RUN, Decision(), {})
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ConfigError, match=f"{message}.*pipelines.calibrate"):
        decision.read(tmp_path, RUN)
    path.write_text("{")
    with pytest.raises(ConfigError, match="damaged"):
        decision.read(tmp_path, RUN)
