"""Crops: cut from pictures whose every pixel tells where it came from."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.crops import blank_crop, crop_square, cut_crop, encode_jpeg
from deepfake_tf.faces import Detection
from deepfake_tf.schema import ClipSpec


def where(height=200, width=300):
    """uint8 RGB: red tells the column, green the row."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width)[None] * 255 // (width - 1)
    pixels[..., 1] = np.arange(height)[:, None] * 255 // (height - 1)
    return pixels


def face(left, top, right, bottom, eyes=((0, 0), (1, 0))):
    keypoints = np.zeros((6, 2), np.float32)
    keypoints[:2] = eyes
    return Detection((left, top, right, bottom), 0.9, keypoints)


def decoded(jpeg):
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_square_adds_the_margin_to_the_longer_side():
    assert crop_square(face(100, 100, 140, 160), ClipSpec(margin=0.5)) == (60, 70, 120)
    assert crop_square(face(100, 100, 140, 160), ClipSpec(margin=0.0)) == (90, 100, 60)


def test_crop_shows_its_part_of_the_frame_in_rgb():
    spec = ClipSpec(crop_size_px=64, margin=0.0)
    crop = decoded(cut_crop(where(256, 256), face(64, 128, 128, 192), spec).jpeg)
    assert crop.shape == (64, 64, 3)
    assert np.abs(crop.astype(int) - where(256, 256)[128:192, 64:128]).max() <= 4


@pytest.mark.parametrize("size", [32, 64, 128])
def test_crop_is_resized_to_the_size_asked_for(size):
    crop = decoded(cut_crop(where(256, 256), face(64, 128, 128, 192), ClipSpec(crop_size_px=size, margin=0.0)).jpeg)
    assert crop.shape == (size, size, 3)
    assert crop[size // 2, size // 2, :2].tolist() == pytest.approx([96, 160], abs=4)


def test_outside_the_frame_its_edge_is_repeated():
    crop = decoded(cut_crop(where(256, 256), face(-32, 224, 32, 288), ClipSpec(crop_size_px=64, margin=0.0)).jpeg)
    assert np.abs(crop[:32, 32:].astype(int) - where(256, 256)[224:, :32]).max() <= 4
    assert crop[10, :32, 0].max() <= 4
    assert crop[32:, 40, 1].min() >= 250


def test_keypoints_are_in_the_crop():
    spec = ClipSpec(crop_size_px=128, margin=0.0)
    crop = cut_crop(where(), face(50, 50, 114, 114, eyes=((50, 50), (82, 98))), spec)
    assert crop.keypoints_px[:2] == pytest.approx(np.array([[0, 0], [64, 96]]))
    assert crop.keypoints_px.dtype == np.float32


def test_eyes_lie_level_where_asked_for():
    spec = ClipSpec(crop_size_px=128, margin=0.0, alignment="eyes")
    # The left eye lies 30 pixels below the right one: the head leans.
    found = face(100, 60, 164, 124, eyes=((112, 80), (142, 110)))
    pixels = where(256, 256)
    for x, y in ((112, 80), (142, 110)):
        cv2.circle(pixels, (x, y), 4, (0, 0, 255), -1)
    crop = cut_crop(pixels, found, spec)
    right_eye, left_eye = crop.keypoints_px[:2]
    assert right_eye[1] == pytest.approx(left_eye[1], abs=0.01)
    assert left_eye[0] - right_eye[0] == pytest.approx(np.hypot(30, 30) * 2, rel=0.02)
    # Where the key points say the eyes are, they are.
    picture = decoded(crop.jpeg)
    for x, y in (right_eye, left_eye):
        assert picture[round(float(y)), round(float(x)), 2] > 200
    # The middle of the box stays the middle of the crop.
    assert picture[64, 64, :2].tolist() == pytest.approx([132, 92], abs=5)


def test_level_eyes_give_nearly_the_crop_without_alignment():
    found = face(100, 60, 164, 124, eyes=((112, 80), (142, 80)))
    plain = decoded(cut_crop(where(256, 256), found, ClipSpec(crop_size_px=64, margin=0.0)).jpeg)
    level = decoded(cut_crop(where(256, 256), found, ClipSpec(crop_size_px=64, margin=0.0, alignment="eyes")).jpeg)
    assert np.abs(plain.astype(int) - level).max() <= 6


@given(
    box=st.tuples(*[st.floats(-500, 800)] * 2, *[st.floats(0, 600)] * 2),
    alignment=st.sampled_from(["none", "eyes"]),
    eyes=st.tuples(*[st.tuples(st.floats(-50, 350), st.floats(-50, 350))] * 2),
)
def test_wherever_the_box_lies_there_is_a_crop(box, alignment, eyes):
    left, top, width, height = box
    spec = ClipSpec(crop_size_px=32, alignment=alignment)
    crop = cut_crop(where(60, 80), face(left, top, left + width, top + height, eyes), spec)
    assert decoded(crop.jpeg).shape == (32, 32, 3)
    assert np.isfinite(crop.keypoints_px).all()


def test_sharpness_falls_with_blur():
    sharp = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2)
    found = face(0, 0, 128, 128)
    spec = ClipSpec(margin=0.0)
    assert cut_crop(sharp, found, spec).sharpness > 10 * cut_crop(blurred, found, spec).sharpness


@pytest.mark.parametrize(("subsampling", "factors"), [("4:4:4", 0x11), ("4:2:0", 0x22)])
def test_jpeg_has_the_subsampling_asked_for(subsampling, factors):
    data = encode_jpeg(where(64, 64), ClipSpec(jpeg_subsampling=subsampling))
    # In the frame header (SOF0), 11 bytes after its marker, stand the sampling factors of the first component.
    assert data[data.index(b"\xff\xc0") + 11] == factors


def test_quality_costs_bytes():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert len(encode_jpeg(noise, ClipSpec(jpeg_quality=95))) > 2 * len(encode_jpeg(noise, ClipSpec(jpeg_quality=50)))


def test_blank_crop_is_black():
    assert not decoded(blank_crop(ClipSpec(crop_size_px=48))).any()
    assert decoded(blank_crop(ClipSpec(crop_size_px=48))).shape == (48, 48, 3)


def test_a_large_face_is_the_mean_over_areas_as_a_small_one_is():
    """Against a picture of narrow stripes, which any other way of shrinking turns into broad ones."""
    pixels = np.zeros((1200, 1200, 3), np.uint8)
    pixels[:, ::3] = 255
    spec = ClipSpec(crop_size_px=64, margin=0.0)
    assert crop_square(face(50, 50, 1131, 1131), spec) == (46, 46, 1088)
    crop = decoded(cut_crop(pixels, face(50, 50, 1131, 1131), spec).jpeg)
    assert np.abs(crop.astype(int) - 85).max() <= 12
