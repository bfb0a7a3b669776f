import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf import face_regions
from deepfake_tf.face_regions import LEFT_EAR, LEFT_EYE, MOUTH, RIGHT_EAR, RIGHT_EYE, TYPICAL_KEYPOINTS

SIZE = 100


def make_keypoints(num_frames=1):
    return np.repeat(TYPICAL_KEYPOINTS[None] * SIZE, num_frames, axis=0)


def test_axes_begin_between_the_eyes_and_reach_mouth_and_ears():
    keypoints = make_keypoints()
    points = np.array([[0, 0], [0, 1], [1, 0], [-1, 0]], np.float32)
    between, mouth, left, right = face_regions.place(points, keypoints)[0]
    np.testing.assert_allclose(between, keypoints[0, [RIGHT_EYE, LEFT_EYE]].mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(mouth, keypoints[0, MOUTH], atol=1e-4)
    assert left[0] == pytest.approx(keypoints[0, LEFT_EAR, 0], abs=1e-3)
    assert right[0] == pytest.approx(keypoints[0, RIGHT_EAR, 0], abs=1e-3)


@given(
    angle=st.floats(-3.1, 3.1),
    zoom=st.floats(0.3, 3),
    shift=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    name=st.sampled_from(sorted(face_regions.OUTLINES)),
)
def test_regions_turn_and_move_with_the_face(angle, zoom, shift, name):
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    keypoints = make_keypoints()
    outline = face_regions.OUTLINES[name]
    moved_after = face_regions.place(outline, keypoints) @ turn.T + np.asarray(shift, np.float32)
    moved_before = face_regions.place(outline, (keypoints @ turn.T + np.asarray(shift, np.float32)).astype(np.float32))
    np.testing.assert_allclose(moved_before, moved_after, atol=0.02)


def test_a_face_seen_from_the_side_is_narrow_on_its_far_side():
    keypoints = make_keypoints()
    keypoints[0, LEFT_EAR] = keypoints[0, LEFT_EYE]  # the far ear is not to be seen
    left, right = face_regions.place(np.array([[1, 0], [-1, 0]], np.float32), keypoints)[0, :, 0]
    middle = keypoints[0, [RIGHT_EYE, LEFT_EYE], 0].mean()
    eye_distance = keypoints[0, LEFT_EYE, 0] - keypoints[0, RIGHT_EYE, 0]
    assert eye_distance / 2 < left - middle < middle - right


@pytest.mark.parametrize("name", sorted(face_regions.OUTLINES))
def test_typical_regions_lie_in_the_crop_and_hold_their_part(name):
    region = face_regions.draw(face_regions.place(face_regions.OUTLINES[name], make_keypoints()), SIZE)[0]
    assert 0.01 < (region > 127).mean() < 0.5
    assert not region[[0, -1]].any()
    assert not region[:, [0, -1]].any()


def test_parts_hold_their_key_points():
    def inside(name, index):
        region = face_regions.draw(face_regions.place(face_regions.OUTLINES[name], make_keypoints()), SIZE)[0]
        x, y = np.rint(TYPICAL_KEYPOINTS[index] * SIZE).astype(int)
        return bool(region[y, x])

    assert inside("eyes", RIGHT_EYE)
    assert inside("eyes", LEFT_EYE)
    assert not inside("eyes", MOUTH)
    assert inside("mouth", MOUTH)
    assert inside("lower_face", MOUTH)
    assert not inside("lower_face", LEFT_EYE)
    assert inside("left_half", LEFT_EYE)
    assert not inside("left_half", RIGHT_EYE)
    assert inside("face", RIGHT_EYE)
    assert not inside("inner_face", RIGHT_EAR)


def test_missing_frames_are_drawn_from_their_neighbours():
    keypoints = make_keypoints(5)
    keypoints[:, :, 0] += np.arange(5)[:, None] * 4
    damaged = keypoints.copy()
    damaged[2] = 0
    filled = face_regions.fill_in(damaged, np.array([True, True, False, True, True]), 5, SIZE)
    np.testing.assert_allclose(filled, keypoints, atol=1e-3)


def test_steady_movement_stays_and_shaking_is_less():
    random = np.random.default_rng(0)
    steady = make_keypoints(30) + np.arange(30, dtype=np.float32)[:, None, None]
    np.testing.assert_allclose(face_regions.fill_in(steady, None, 30, SIZE), steady, atol=1e-3)
    shaking = steady + random.normal(0, 2, steady.shape)
    left_over = face_regions.fill_in(shaking, None, 30, SIZE) - steady
    assert left_over.std() < 0.75 * 2


@pytest.mark.parametrize(
    ("keypoints", "mask"),
    [(None, None), (np.zeros((2, 6, 2)), np.ones(2, bool)), (make_keypoints(2), np.zeros(2, bool))],
)
def test_without_key_points_a_typical_face_is_taken(keypoints, mask):
    np.testing.assert_array_equal(face_regions.fill_in(keypoints, mask, 2, SIZE), make_keypoints(2))


def test_wild_key_points_do_no_harm():
    wild = np.full((1, 6, 2), 1e9, np.float32)
    wild[0, LEFT_EYE] = -1e9
    assert face_regions.draw(face_regions.place(face_regions.OUTLINES["face"], wild), SIZE).shape == (1, SIZE, SIZE)
