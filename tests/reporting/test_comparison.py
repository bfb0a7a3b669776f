"""Comparison of two detectors whose scores are made for it."""

import json

import numpy as np
import pytest

from deepfake_tf import metrics
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.reporting import comparison
from deepfake_tf.reporting.comparison import Pairs, compare, compare_pairs
from deepfake_tf.reporting.score_tables import write_table


def pairs_of(labels, groups, first, second):
    orders = np.stack([first, second])
    scores = 1 / (1 + np.exp(-orders))
    return Pairs(tuple(map(str, range(len(labels)))), labels, groups, orders, scores, (0.5, 0.5))


def make_pairs(*, num_groups=40, per_group=3, better=0.0, seed=0, shared=0.0):
    """Two detectors see the same difficulty of a video, each with its own noise; the first sees more of the class.

    With `shared`, the noise of one detector is that of the group, so that its videos are right or wrong together.
    """
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(num_groups), per_group)
    labels = number % 2
    base = 2.0 * labels - 1 + rng.normal(size=len(labels))
    noise = rng.normal(size=(2, len(labels)))
    by_group = rng.normal(size=(2, num_groups))[:, number]
    own = shared * by_group + (1 - shared) * noise
    return pairs_of(labels, tuple(map(str, number)), base + better * (2 * labels - 1) + own[0], base + own[1])


def test_a_better_detector_is_called_better():
    found = compare_pairs(make_pairs(better=1.5))
    auc = found["differences"]["roc_auc"]
    assert auc["interval"][0] > 0
    assert found["words"].startswith("The first run orders these videos better than the second: AUC 0.9")
    assert found["delong"]["p"] < 0.01
    swapped = make_pairs(better=1.5)
    swapped = pairs_of(swapped.labels, swapped.groups, swapped.orders[1], swapped.orders[0])
    turned = compare_pairs(swapped)
    assert turned["words"].startswith("The second run")
    assert turned["differences"]["roc_auc"]["difference"] == pytest.approx(-auc["difference"])
    assert turned["differences"]["roc_auc"]["interval"] == pytest.approx([-end for end in auc["interval"][::-1]])


def test_equal_detectors_are_undecided():
    found = compare_pairs(make_pairs(seed=3))
    assert found["words"].startswith("Undecided: AUC ")
    low, high = found["differences"]["roc_auc"]["interval"]
    assert low < 0 < high
    json.dumps(found, allow_nan=False)


def test_a_detector_against_itself_shows_nothing():
    pairs = make_pairs()
    found = compare_pairs(pairs_of(pairs.labels, pairs.groups, pairs.orders[0], pairs.orders[0]))
    assert found["words"].endswith("these videos do not show a difference.")
    assert found["differences"]["roc_auc"]["difference"] == 0.0
    assert found["delong"]["p"] == 1.0
    assert found["right"]["first_only"] == found["right"]["second_only"] == 0


def test_groups_that_are_right_together_decide_less_than_delong_thinks():
    """Among detectors that are equally good, but differ by group, DeLong alone finds differences that are not there."""
    called, doubted = 0, 0
    for seed in range(40):
        found = compare_pairs(make_pairs(num_groups=16, per_group=10, seed=seed, shared=0.9))
        called += found["delong"]["p"] < 0.05
        doubted += "DeLong's test alone" in found["words"]
        assert found["words"].startswith("Undecided") or found["differences"]["roc_auc"]["interval"] != [None, None]
        if found["delong"]["p"] < 0.05:
            break
    assert called
    # At 16 groups an interval over groups is wider than one over videos.
    tested = found["delong"]
    low, high = found["differences"]["roc_auc"]["interval"]
    assert high - low > tested["high"] - tested["low"]


def test_differences_are_those_of_the_metrics():
    pairs = make_pairs(seed=5)
    found = compare_pairs(pairs)["differences"]
    for side, name in enumerate(("first", "second")):
        own = metrics.compute_all(pairs.labels, pairs.scores[side], order=pairs.orders[side])
        assert {metric: one[name] for metric, one in found.items()} == {metric: own[metric] for metric in found}


def test_answers_are_counted_by_who_was_right():
    labels = np.array([0, 0, 1, 1, 1])
    first, second = np.array([-1, 1, 1, 1, 1]), np.array([-1, -1, -1, -1, 1])
    right = compare_pairs(pairs_of(labels, tuple("abcde"), first * 1.0, second * 1.0))["right"]
    # Of three videos that one alone got right, the first got two: as likely as not.
    assert right == {"both": 2, "first_only": 2, "second_only": 1, "neither": 0, "p": 1.0}


def test_two_runs_are_compared_on_what_both_judged(tmp_path, monkeypatch):
    def evaluate(run, data_dir, split, out_dir, *, on_progress=None):
        """The second run is calibrated isotonically and cannot judge the last video."""
        labels = [number % 2 for number in range(12)]
        rows = [
            {
                "video_id": f"x{number}",
                "label": "fake" if label else "real",
                "group": f"g{number}",
                "logit": "" if (run, number) == ("b", 11) else 2.0 * label + number / 10,
                "score": "" if (run, number) == ("b", 11) else 0.8 * label + number / 100,
            }
            for number, label in enumerate(labels)
        ]
        write_table(out_dir / "video_scores.csv", rows)
        on_progress(1, 1)
        knots = [] if run == "a" else [0.0, 1.0]
        return {"data": {"split": split}, "decision": {"threshold": 0.5, "calibration": {"logits": knots}}}

    monkeypatch.setattr(comparison, "evaluate", evaluate)
    for side in comparison.SIDES:
        (tmp_path / side).mkdir()
    seen = []
    found = compare("a", "b", "data", "test", tmp_path, on_progress=lambda *at: seen.append(at))
    assert seen == [("first", 1, 1), ("second", 1, 1)]
    assert (found["num_pairs"], found["num_real"], found["num_fake"], found["num_groups"]) == (11, 6, 5, 11)
    assert (found["only_first"], found["only_second"]) == (1, 0)
    assert found["runs"] == ["a", "b"]
    assert json.loads((tmp_path / "comparison.json").read_text()) == found
    assert len((tmp_path / "pairs.csv").read_text().splitlines()) == 12


def test_videos_that_one_run_alone_judged_are_left_out():
    report = {"decision": {"threshold": 0.5, "calibration": {"logits": []}}}
    row = {"label": "real", "group": "g", "logit": "1.5", "score": "0.8"}
    paired = comparison._pair([{"a": row, "b": row}, {"b": row, "c": row}], [report, report])
    assert paired.video_ids == ("b",)
    with pytest.raises(DataError, match="nothing to compare"):
        comparison._pair([{"a": row}, {"c": row}], [report, report])


def test_a_run_is_not_compared_with_itself(tmp_path):
    with pytest.raises(ConfigError, match="not with itself"):
        comparison.check_runs_differ(tmp_path, tmp_path / "x" / "..")
