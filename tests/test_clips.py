"""Which frames make a clip: checked with integers one can count by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.clips import frames_to_look_at, place_clips, span
from deepfake_tf.schema import ClipSpec

specs = st.builds(
    ClipSpec,
    num_frames=st.integers(1, 20),
    frame_stride=st.integers(1, 5),
    clips_per_video=st.integers(1, 6),
    clip_stride=st.integers(1, 30),
    placement=st.sampled_from(["even", "spread", "all"]),
)


def test_even_clips_lie_in_the_middle_of_their_parts():
    spec = ClipSpec(num_frames=4, clips_per_video=2)
    assert place_clips(20, spec) == [(3, 4, 5, 6), (13, 14, 15, 16)]


def test_stride_leaves_frames_out():
    spec = ClipSpec(num_frames=3, frame_stride=4, clips_per_video=1)
    assert span(spec) == 9
    assert place_clips(11, spec) == [(1, 5, 9)]


def test_even_clips_become_fewer_rather_than_overlap():
    spec = ClipSpec(num_frames=4, clips_per_video=4)
    assert place_clips(9, spec) == [(0, 1, 2, 3), (4, 5, 6, 7)]


def test_short_video_gives_one_short_clip():
    assert place_clips(3, ClipSpec(num_frames=8)) == [(0, 1, 2)]
    assert place_clips(3, ClipSpec(num_frames=8, placement="spread")) == [(0, 1, 2)]
    assert place_clips(3, ClipSpec(num_frames=8, placement="all")) == [(0, 1, 2)]
    assert place_clips(5, ClipSpec(num_frames=8, frame_stride=3)) == [(0, 3)]


def test_no_frames_give_no_clips():
    assert place_clips(0, ClipSpec()) == []


def test_spread_takes_the_middle_of_each_cell():
    spec = ClipSpec(num_frames=5, clips_per_video=2, placement="spread")
    assert place_clips(100, spec) == [(4, 14, 24, 34, 44), (54, 64, 74, 84, 94)]


def test_spread_settles_on_the_nearest_cheap_frame():
    spec = ClipSpec(num_frames=3, clips_per_video=1, placement="spread")
    is_cheap = [index in (0, 5, 13, 19) for index in range(30)]
    # Cells [0, 10), [10, 20) and [20, 30) have the middles 4, 14 and 24; the last holds no cheap frame.
    assert place_clips(30, spec, is_cheap) == [(5, 13, 24)]


def test_spread_settles_on_key_frames_and_ends_early_before_them():
    spec = ClipSpec(num_frames=4, clips_per_video=1, placement="spread")
    is_cheap = [index % 2 == 0 for index in range(40)]
    is_key = [index in (0, 22) for index in range(40)]
    # Cells [0, 10), [10, 20), [20, 30), [30, 40): nothing is decoded between 10 and 22, nor after 30.
    assert place_clips(40, spec, is_cheap, is_key) == [(4, 10, 22, 30)]
    assert place_clips(40, spec, is_cheap, [True] * 40) == [(4, 14, 24, 34)]


def test_spread_stays_near_the_middle_of_a_long_cell():
    spec = ClipSpec(num_frames=2, clips_per_video=1, placement="spread")
    is_key = [index % 500 == 0 for index in range(1000)]
    assert place_clips(1000, spec, [True] * 1000, is_key) == [(249, 741)]


def test_all_places_a_clip_every_clip_stride_and_one_at_the_end():
    spec = ClipSpec(num_frames=4, clip_stride=3, placement="all")
    assert place_clips(12, spec) == [(0, 1, 2, 3), (3, 4, 5, 6), (6, 7, 8, 9), (8, 9, 10, 11)]
    assert place_clips(10, spec) == [(0, 1, 2, 3), (3, 4, 5, 6), (6, 7, 8, 9)]


@given(num_frames=st.integers(1, 400), spec=specs)
def test_clips_are_frames_of_the_video_in_order(num_frames, spec):
    placed = place_clips(num_frames, spec)
    assert placed
    for clip in placed:
        assert 1 <= len(clip) <= spec.num_frames
        assert list(clip) == sorted(set(clip))
        assert clip[0] >= 0
        assert clip[-1] < num_frames
    assert placed == sorted(placed)
    if spec.placement != "all":
        assert len(placed) <= spec.clips_per_video
        frames = [index for clip in placed for index in clip]
        assert len(frames) == len(set(frames))
    if spec.placement != "spread":
        assert all(b - a == spec.frame_stride for clip in placed for a, b in zip(clip, clip[1:], strict=False))
    if len(placed) > 1:
        assert {len(clip) for clip in placed} == {spec.num_frames}


@given(num_frames=st.integers(1, 200), spec=specs, data=st.data())
def test_cheap_frames_change_no_more_than_the_choice_within_a_cell(num_frames, spec, data):
    is_cheap = data.draw(st.lists(st.booleans(), min_size=num_frames, max_size=num_frames))
    is_key = data.draw(st.lists(st.booleans(), min_size=num_frames, max_size=num_frames))
    plain, settled = place_clips(num_frames, spec), place_clips(num_frames, spec, is_cheap, is_key)
    assert [len(clip) for clip in plain] == [len(clip) for clip in settled]
    total = sum(map(len, settled))
    for number, index in enumerate(index for clip in settled for index in clip):
        assert spec.placement != "spread" or number * num_frames // total <= index < (number + 1) * num_frames // total
    if spec.placement != "spread":
        assert plain == settled


def test_a_long_video_is_covered_whole_by_all():
    spec = ClipSpec(num_frames=8, clip_stride=8, placement="all")
    assert {index for clip in place_clips(1000, spec) for index in clip} == set(range(1000))


@pytest.mark.parametrize(("every", "expected"), [(1, {0, 1, 2, 3, 4}), (2, {0, 2, 4}), (3, {0, 3, 4}), (9, {0, 4})])
def test_every_nth_frame_and_the_last_are_looked_at(every, expected):
    assert frames_to_look_at([(0, 1, 2, 3, 4)], every) == expected


def test_clips_that_adjoin_are_looked_at_as_one():
    apart, adjoining = [(0, 1, 2, 3), (50, 51, 52, 53)], [(4, 12, 21, 32), (41, 50, 60, 69)]
    assert frames_to_look_at(apart, 4) == {0, 3, 50, 53}
    assert frames_to_look_at(adjoining, 4) == {4, 41, 69}
