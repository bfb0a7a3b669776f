import dataclasses

import numpy as np
import pytest

from deepfake_tf.generalising import scores
from deepfake_tf.generalising.scores import Said
from deepfake_tf.judging.scoring import VideoScores

GROUPS = tuple("aabbccddeeff")
LABELS = np.array([0, 1] * 6)


def videos(logits):
    logits = np.asarray(logits, np.float64)
    names = tuple(f"v{row}" for row in range(len(logits)))
    tracks = tuple({0: float(one)} for one in logits)
    return VideoScores(names, LABELS, GROUPS, logits, 1 / (1 + np.exp(-logits)), np.full(len(logits), 1), tracks)


GOOD = videos([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
WORSE = videos([1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10])


def test_pairs_are_compared_within_their_group():
    # Whatever the scenes do to the scores: AUC over all of them is near chance, the pairs are all right.
    assert scores.pairs_right(GOOD) == 1
    assert scores.pairs_right(WORSE) == 0
    assert scores.of_matched(GOOD)["auc"] == pytest.approx(21 / 36)
    half = videos([0, 0, 1, 2, 1, 2, 1, 2, 2, 1, 1, 1])
    assert scores.pairs_right(half) == pytest.approx((0.5 + 3 + 0 + 0.5) / 6)


def test_a_difference_is_told_only_where_it_is_one():
    found = scores.difference(WORSE, GOOD)
    # Pairs: 21 of 36 against 15 of 36 are in order, and every draw of groups says so.
    assert found["difference"] == pytest.approx(6 / 36)
    assert found["words"] == "better"
    assert scores.difference(GOOD, WORSE)["words"] == "worse"
    assert scores.difference(GOOD, GOOD)["words"] == "undecided"
    # A video that only one judged does not count.
    keep = slice(2, None)
    some = dataclasses.replace(
        GOOD, video_ids=GOOD.video_ids[keep], labels=LABELS[keep], groups=GROUPS[keep], logits=GOOD.logits[keep]
    )
    assert scores.difference(WORSE, some)["difference"] == pytest.approx(5 / 25)


def test_logits_come_back_from_their_file(tmp_path, clips):
    path = tmp_path / scores.LOGITS_FILE
    assert scores.read_logits(path, clips) is None
    said = Said(clips, np.linspace(-1, 1, len(clips)))
    scores.write_logits(path, said)
    some = clips.select([3, 1])
    np.testing.assert_array_equal(scores.read_logits(path, some).logits, said.logits[[3, 1]])
    np.testing.assert_array_equal(said.of(some).logits, said.logits[[3, 1]])


def test_joining_looks_at_as_many_clips_as_it_says(clips):
    # The second clip of each video, which one frame of two does not look at first, says the truth.
    truth = np.where(clips.labels == 1, 1.0, -1.0)
    first = np.array([name.endswith("/0/0") for name in clips.example_ids])
    found = scores.of_joining(Said(clips, np.where(first, -truth, 3 * truth)))
    assert found["mean"]["1"] == found["mean"]["4"] == 1
    found = scores.of_joining(Said(clips, np.where(first, 3 * truth, -truth)))
    assert found["mean"] == {"1": 0, "4": 1, "16": 1}


@pytest.mark.parametrize(
    ("num_groups", "has_interval"), [(scores.LEAST_GROUPS - 1, False), (scores.LEAST_GROUPS, True)]
)
def test_a_method_has_an_interval_only_if_its_fakes_are_of_enough_groups(clips, num_groups, has_interval):
    # Twice as many fakes as groups, beside three reals in each.
    rows = np.resize([*np.flatnonzero(clips.labels == 0)[:3], *np.flatnonzero(clips.labels == 1)[:2]], 5 * num_groups)
    groups = tuple(f"g{row // 5}" for row in range(len(rows)))
    table = dataclasses.replace(
        clips.select(rows),
        groups=groups,
        video_ids=tuple(f"v{row}" for row in range(len(rows))),
        methods=tuple("m" if clips.labels[row] else "" for row in rows),
    )
    found = scores.of_methods(Said(table, np.random.default_rng(0).normal(size=len(rows)) + table.labels))["m"]
    assert (found["num_fake_groups"], found["num_fake"]) == (num_groups, 2 * num_groups)
    assert (found["interval"][0] is not None) == has_interval
