import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.judging import joining
from deepfake_tf.judging.joining import join_clips
from deepfake_tf.schema import JOINING_RULES

CLIPS = st.lists(st.tuples(st.floats(-50, 50), st.integers(0, 3)), min_size=1, max_size=20)
LINE = math.log(4)  # the logit of 0.8


def join(logits, ids, rule):
    return join_clips(np.asarray(logits, np.float64), np.asarray(ids), rule)


def test_every_rule_has_its_function():
    assert tuple(joining.OF_A_TRACK) == JOINING_RULES


def test_mean_is_over_all_clips():
    assert join([1, 2, 6], [0, 0, 1], "mean") == (3.0, {0: 1.5, 1: 6.0})


def test_max_track_takes_the_most_suspicious_face():
    assert join([1, 2, -6], [0, 0, 1], "max_track") == (1.5, {0: 1.5, 1: -6.0})


def test_trimmed_mean_leaves_out_a_quarter_at_each_end():
    assert join([9, 1, -40, 2], [0] * 4, "trimmed_mean")[0] == 1.5
    assert join([9, 1, -40], [0] * 3, "trimmed_mean")[0] == -10.0
    assert join([0, 1, 2, 3, 4, 5, 6, 100], [0] * 8, "trimmed_mean")[0] == 3.5


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([3, 5, -4, -4], 4),  # half are sure: they alone count
        ([3, -4, -4, -4], -9 / 4),  # one is not enough
        ([3, 5, -4, -4, -4], 3 / 5 * -4 + 8 / 5),  # 40 % is not more than 40 %
        ([LINE - 0.01, LINE - 0.01, 0, 0], (LINE - 0.01) / 2),  # none is sure
        ([-4, -6], -5),
        ([-4] * 10 + [0], -4),  # 10 of 11 are surely real: the eleventh does not count
        ([-4] * 9 + [0], -3.6),  # 9 of 10 are not more than 90 %
    ],
)
def test_confident_vote_counts_the_sure_if_there_are_enough(logits, expected):
    assert join(logits, [0] * len(logits), "confident_vote")[0] == pytest.approx(expected)


@given(CLIPS, st.sampled_from(JOINING_RULES), st.randoms())
def test_joined_logits_lie_within_the_clips_whatever_their_order(clips, rule, random):
    logits, ids = zip(*clips, strict=True)
    video, tracks = join(logits, ids, rule)
    assert min(logits) - 1e-9 <= video <= max(logits) + 1e-9
    for track, value in tracks.items():
        own = [logit for logit, one in clips if one == track]
        assert min(own) - 1e-9 <= value <= max(own) + 1e-9
    random.shuffle(clips)
    again, tracks_again = join(*zip(*clips, strict=True), rule)
    assert again == pytest.approx(video)
    assert tracks_again == pytest.approx(tracks)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.sampled_from(JOINING_RULES))
def test_a_video_with_one_face_has_that_faces_logit(logits, rule):
    video, tracks = join(logits, [2] * len(logits), rule)
    assert tracks == {2: video}


@given(CLIPS, st.sampled_from(["mean", "max_track", "trimmed_mean"]), st.integers(0, 19), st.floats(0, 10))
def test_a_more_suspicious_clip_never_clears_a_video(clips, rule, which, more):
    logits, ids = (list(column) for column in zip(*clips, strict=True))
    before, _ = join(logits, ids, rule)
    logits[which % len(logits)] += more
    assert join(logits, ids, rule)[0] >= before - 1e-9


@given(CLIPS, st.sampled_from(JOINING_RULES))
def test_equal_clips_give_their_logit(clips, rule):
    logit = clips[0][0]
    assert join([logit] * len(clips), [one for _, one in clips], rule)[0] == pytest.approx(logit)
