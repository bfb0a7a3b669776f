"""Tracks: boxes whose ways one can draw by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.faces import Detection
from deepfake_tf.tracks import TrackLinker, alike, apart, between, look_of, pairs_to_follow, tracks_to_keep


def face(x, y=100, size=50, confidence=0.9):
    half = size / 2
    return Detection((x - half, y - half, x + half, y + half), confidence, np.full((6, 2), x, np.float32))


def link(frames, step_us=40_000):
    linker = TrackLinker()
    given_tracks = [linker.add(index, index * step_us, faces) for index, faces in enumerate(frames)]
    return linker, given_tracks


def test_apart_counts_in_face_sizes():
    assert apart(face(0), face(0)) == 0
    assert apart(face(0), face(50)) == pytest.approx(1)
    assert apart(face(0, size=50), face(0, size=100)) == pytest.approx(np.log(2))
    assert apart(face(0), face(0, size=0)) == np.inf


def test_moving_face_is_one_track():
    linker, _ = link([[face(100 + 10 * index)] for index in range(20)])
    assert len(linker.tracks) == 1
    assert sorted(linker.tracks[0].detections) == list(range(20))


def test_faces_that_pass_keep_their_tracks_in_whatever_order_they_come():
    left = [face(100 + 5 * index, y=100) for index in range(10)]
    right = [face(400 - 5 * index, y=200) for index in range(10)]
    linker, numbers = link(
        [[a, b] if index % 2 else [b, a] for index, (a, b) in enumerate(zip(left, right, strict=True))]
    )
    assert len(linker.tracks) == 2
    assert numbers[0] == [0, 1]
    assert numbers[1] == [1, 0]


def test_jump_at_a_cut_begins_a_track():
    linker, _ = link([[face(100)], [face(100)], [face(500)], [face(500)]])
    assert [sorted(track.detections) for track in linker.tracks] == [[0, 1], [2, 3]]


def test_face_that_was_hidden_comes_back_to_its_track():
    linker, _ = link([[face(100)], [], [], [face(115)]])
    assert [sorted(track.detections) for track in linker.tracks] == [[0, 3]]


def crop(seed):
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)


def test_looks_are_compared_whatever_the_light():
    dark = (crop(0) // 2 + 20).astype(np.uint8)
    assert alike(look_of(crop(0)), look_of(dark)) > 0.99
    assert abs(alike(look_of(crop(0)), look_of(crop(1)))) < 0.4
    assert alike(look_of(np.zeros((8, 8, 3), np.uint8)), look_of(crop(0))) == 0


@pytest.mark.parametrize(
    ("other", "size", "num_tracks"),
    [(crop(0), 50, 1), (crop(1), 50, 2), (crop(0), 120, 2)],
)
def test_face_that_went_far_keeps_its_track_if_it_looks_the_same(other, size, num_tracks):
    linker = TrackLinker()
    linker.add(0, 0, [face(100)], [look_of(crop(0))])
    linker.add(1, 40_000, [face(900, size=size)], [look_of(other)])
    assert len(linker.tracks) == num_tracks


def test_of_two_faces_the_one_that_looks_the_same_is_followed_but_place_comes_first():
    linker = TrackLinker()
    first, second = look_of(crop(0)), look_of(crop(1))
    assert linker.add(0, 0, [face(100), face(300)], [first, second]) == [0, 1]
    assert linker.add(1, 40_000, [face(600), face(900)], [second, first]) == [1, 0]
    assert linker.add(2, 80_000, [face(600), face(900)], [first, second]) == [1, 0]


def test_reach_grows_with_time():
    quick, _ = link([[face(100)], [face(150)]], step_us=40_000)
    slow, _ = link([[face(100)], [face(150)]], step_us=1_000_000)
    assert len(quick.tracks) == 2
    assert len(slow.tracks) == 1


@given(st.lists(st.lists(st.tuples(st.floats(0, 1000), st.floats(20, 200)), max_size=5), max_size=8))
def test_every_detection_is_in_one_track(frames):
    linker, numbers = link([[face(x, size=size) for x, size in faces] for faces in frames])
    assert all(len(set(given_tracks)) == len(given_tracks) for given_tracks in numbers)
    assert sum(len(track.detections) for track in linker.tracks) == sum(len(faces) for faces in frames)


def test_large_and_lasting_comes_first():
    linker, _ = link([[face(100, size=20), face(500, size=80)] for _ in range(10)])
    assert tracks_to_keep(linker.tracks, num_frames_sampled=10, max_tracks=4, min_confidence=0.5) == [1, 0]
    assert tracks_to_keep(linker.tracks, num_frames_sampled=10, max_tracks=1, min_confidence=0.5) == [1]


@pytest.mark.parametrize(
    ("num_seen", "num_sampled", "is_kept"),
    [(1, 1, True), (1, 10, True), (1, 11, False), (2, 30, False), (3, 30, True), (3, 1000, True)],
)
def test_what_does_not_last_is_no_face(num_seen, num_sampled, is_kept):
    linker, _ = link([[face(100, confidence=0.75)]] * num_seen)
    assert tracks_to_keep(linker.tracks, num_frames_sampled=num_sampled, max_tracks=4, min_confidence=0.5) == (
        [0] if is_kept else []
    )


@pytest.mark.parametrize(
    ("num_seen", "confidence", "is_kept"), [(4, 0.68, False), (4, 0.7, True), (10, 0.65, False), (10, 0.67, True)]
)
def test_what_is_a_face_is_sure_once(num_seen, confidence, is_kept):
    linker, _ = link([[face(100, confidence=confidence if number == 1 else 0.5)] for number in range(num_seen)])
    kept = tracks_to_keep(linker.tracks, num_frames_sampled=10, max_tracks=4, min_confidence=0.5)
    assert kept == ([0] if is_kept else [])


@pytest.mark.parametrize(("closer", "is_kept"), [(0.74, False), (0.76, True)])
def test_what_was_never_sure_is_looked_at_closer(closer, is_kept):
    linker, _ = link([[face(100, confidence=0.6), face(500, confidence=0.9)] for _ in range(10)])
    asked = []
    kept = tracks_to_keep(
        linker.tracks,
        num_frames_sampled=10,
        max_tracks=4,
        min_confidence=0.5,
        look_closer=lambda number: asked.append(number) or closer,
    )
    assert asked == [0]
    assert kept == ([1, 0] if is_kept else [1])


@pytest.mark.parametrize(("confidences", "is_kept"), [([0.7, 0.82], True), ([0.7, 0.78], False), ([0.95], False)])
def test_face_of_a_short_shot_is_kept_if_it_is_sure(confidences, is_kept):
    linker, _ = link([[face(100, confidence=one)] for one in confidences])
    assert bool(tracks_to_keep(linker.tracks, num_frames_sampled=32, max_tracks=4, min_confidence=0.5)) == is_kept


def test_of_many_tracks_those_stay_that_bring_a_face_to_more_frames():
    crowd = [face(x, size=80) for x in (100, 400, 700)]
    late = [face(2000, size=20)]
    linker, _ = link([crowd] * 10 + [late] * 5)
    kept = tracks_to_keep(linker.tracks, num_frames_sampled=15, max_tracks=2, min_confidence=0.5)
    assert kept[-1] == 3
    assert len(kept) == 2
    many = tracks_to_keep(linker.tracks, num_frames_sampled=15, max_tracks=3, min_confidence=0.5)
    assert len(many) == 3
    assert many[-1] == 3


def test_followed_face_moves_on_a_straight_line():
    found = between(face(100, size=40, confidence=0.8), face(108, size=48, confidence=0.6), 0.25)
    assert found.box_xyxy_px == pytest.approx(face(102, size=42).box_xyxy_px)
    assert found.confidence == 0.6
    assert found.keypoints_px == pytest.approx(np.full((6, 2), 102))


def test_faces_are_paired_by_place():
    assert pairs_to_follow([face(100), face(300)], [face(305), face(105)]) == [(0, 1), (1, 0)]


@pytest.mark.parametrize(
    ("before", "after"), [([face(100)], []), ([], [face(100)]), ([face(100)], [face(112)]), ([], [])]
)
def test_other_faces_cannot_be_followed(before, after):
    assert pairs_to_follow(before, after) == []
