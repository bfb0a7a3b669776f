"""Finding faces: on a portrait whose face one can see, and on pictures without any."""

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deepfake_tf.decoding import squares
from deepfake_tf.faces import BlazeFace, Detection, overlap, square_around, tiles, without_doubles
from tests.portraits import FACE_XYXY, portrait, scene


class Picture:
    """What a detector needs of a frame."""

    def __init__(self, pixels):
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]
        self.asked = []

    def shrunken(self, longer_side_px):
        import cv2

        self.asked.append(longer_side_px)
        scale = min(1.0, longer_side_px / max(self.width, self.height))
        return cv2.resize(self.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

    def square(self, left, top, side, size_px):
        self.asked.append((left, top, side))
        return squares.cut_square(self.pixels, left, top, side, size_px)


@pytest.fixture(scope="module")
def detector():
    return BlazeFace(longer_side_px=512, min_confidence=0.5)


def middle(detection):
    left, top, right, bottom = detection.box_xyxy_px
    return (left + right) / 2, (top + bottom) / 2


def test_face_of_a_portrait_is_found(detector):
    (found,) = detector.detect(Picture(portrait()))
    left, top, right, bottom = FACE_XYXY
    x, y = middle(found)
    assert left < x < right
    assert top < y < bottom
    assert 50 < found.box_xyxy_px[2] - found.box_xyxy_px[0] < 150
    assert 0.5 <= found.confidence <= 1
    right_eye, left_eye, nose, mouth = found.keypoints_px[:4]
    # The person's right eye lies on the left of the picture.
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]


def test_boxes_are_in_pixels_of_the_whole_frame(detector):
    large = np.kron(portrait(), np.ones((3, 3, 1), np.uint8))
    (small_one,), (large_one,) = detector.detect(Picture(portrait())), detector.detect(Picture(large))
    assert np.allclose(np.array(large_one.box_xyxy_px) / 3, small_one.box_xyxy_px, atol=4)
    assert np.allclose(large_one.keypoints_px / 3, small_one.keypoints_px, atol=4)


def test_every_face_is_found(detector):
    found = detector.detect(Picture(scene([(60, 100), (440, 150)])))
    assert sorted(round(middle(one)[0] / 100) for one in found) == [1, 5]


def test_small_face_in_a_large_frame_is_found_by_looking_closer(detector):
    frame = Picture(scene([(900, 500)], width=1920, height=1080, scale=0.35))
    # Without its detail there is nothing to see.
    blurred = Picture(np.zeros((1080, 1920, 3), np.uint8))
    blurred.shrunken = frame.shrunken
    assert detector.detect(blurred) == []
    (found,) = detector.detect(frame)
    assert 900 < middle(found)[0] < 970
    assert 500 < middle(found)[1] < 570
    assert 15 < found.box_xyxy_px[2] - found.box_xyxy_px[0] < 60


def test_face_upside_down_is_found_by_the_second_model(detector):
    frame = Picture(np.ascontiguousarray(np.rot90(portrait(), 2)))
    # Nothing to see in the tiles.
    whole = frame.pixels
    frame.shrunken = lambda longer_side_px: whole
    frame.pixels = np.zeros_like(whole)
    assert len(detector.detect(frame)) == 1


def test_closer_look_at_a_crop_tells_a_face_from_none(detector):
    frame = Picture(portrait())
    (found,) = detector.detect(frame)
    left, top, right, bottom = found.box_xyxy_px
    side = round(1.6 * (right - left))
    crop = frame.square(round((left + right - side) / 2), round((top + bottom - side) / 2), side, 128)
    assert detector.look_closer(crop) > 0.75
    assert detector.look_closer(np.full_like(crop, 90)) == 0


def test_near_a_known_face_less_is_enough():
    strict = BlazeFace(longer_side_px=512, min_confidence=0.99)
    frame = Picture(scene([(900, 500)], width=1920, height=1080, scale=0.8))
    (known,) = BlazeFace(longer_side_px=512, min_confidence=0.5).detect(frame)
    assert strict.detect(frame, closely=False) == []
    # Near what was not sure itself it is not.
    assert strict.detect(frame, known=[dataclasses.replace(known, confidence=0.99)], closely=False) == []
    (found,) = strict.detect(frame, known=[dataclasses.replace(known, confidence=0.999)], closely=False)
    assert overlap(found.box_xyxy_px, known.box_xyxy_px) > 0.7
    assert found.confidence < 0.99


@example([(0.0, 0.0, 163.0), (0.0, 0.0, 361.0)], (1920, 1080))
@given(
    st.lists(st.tuples(st.floats(-50, 1900), st.floats(-50, 1000), st.floats(1, 900)), min_size=1, max_size=3),
    st.sampled_from([(1920, 1080), (1080, 1920), (641, 361)]),
)
def test_square_around_known_faces_lies_in_the_frame(boxes, size):
    known = [Detection((x, y, x + side, y + side), 0.9, np.zeros((6, 2), np.float32)) for x, y, side in boxes]
    found = square_around(known, *size)
    if found is None:
        return
    left, top, width, height = found
    assert found == (0, 0, *size) or width == height
    assert 0 <= left <= left + width <= size[0]
    assert 0 <= top <= top + height <= size[1]
    assert left % 2 == top % 2 == 0
    assert min(side for *_, side in boxes) >= 0.15 * max(width, height) - 1e-6


def test_no_face_in_noise_or_black(detector):
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    assert detector.detect(Picture(noise)) == []
    assert detector.detect(Picture(np.zeros((360, 640, 3), np.uint8))) == []


def test_frame_of_one_pixel_has_no_face(detector):
    assert detector.detect(Picture(np.zeros((1, 1, 3), np.uint8))) == []


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (480, 480), (7, 1000), (1, 1)])
def test_tiles_cover_the_frame(size):
    width, height = size
    covered = np.zeros((height, width), bool)
    for left, top, side in tiles(width, height):
        assert 0 <= left
        assert left + side <= width
        assert 0 <= top
        assert top + side <= height
        covered[top : top + side, left : left + side] = True
    assert covered.all()


def box(left, top, right, bottom, confidence=0.9):
    return Detection((left, top, right, bottom), confidence, np.zeros((6, 2), np.float32))


def test_overlap_is_a_share_of_the_smaller_box():
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == 0.5
    assert overlap((0, 0, 100, 100), (10, 10, 20, 20)) == 1
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert overlap((0, 0, 0, 0), (0, 0, 10, 10)) == 0


def test_of_doubles_the_most_confident_stays():
    kept = without_doubles([box(0, 0, 10, 10, 0.6), box(1, 1, 11, 11, 0.8), box(50, 0, 60, 10, 0.7)])
    assert [one.confidence for one in kept] == [0.8, 0.7]
