"""Frames: what is converted in parts looks as it does when the whole is converted."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from deepfake_tf.decoding import squares
from deepfake_tf.decoding.frames import UPRIGHT, Frame, display_matrix

TURNS = {
    "upright": UPRIGHT,
    "quarter": (0, 1, -1, 0),
    "half": (-1, 0, 0, -1),
    "three quarters": (0, -1, 1, 0),
    "mirror": (-1, 0, 0, 1),
    "turned mirror": (0, 1, 1, 0),
}


def soft_picture(height, width):
    """uint8 RGB, smooth enough that half-size chroma loses nothing."""
    noise = np.random.default_rng(3).integers(60, 200, (6, 8, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def frame(stored="yuv420p", size=(96, 128), turn="upright", aspect=1, **attributes):
    picture = av.VideoFrame.from_ndarray(soft_picture(*size), "rgb24").reformat(format=stored)
    for name, value in attributes.items():
        setattr(picture, name, value)
    return Frame(picture, 0, 0, Fraction(aspect), TURNS[turn])


@pytest.mark.parametrize("stored", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le", "nv12", "gray", "rgb24"])
@pytest.mark.parametrize("turn", TURNS)
def test_square_is_that_part_of_the_pixels(stored, turn):
    one = frame(stored, turn=turn)
    for left, top, side, size in ((20, 10, 48, 48), (20, 10, 64, 32), (-16, 70, 40, 40), (4, 4, 16, 48)):
        found = one.square(left, top, side, size).astype(int)
        assert np.abs(found - squares.cut_square(one.pixels, left, top, side, size)).mean() < 2.5


@pytest.mark.parametrize("stored", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("size", [(96, 128), (90, 127), (33, 65)])
def test_shrunken_is_the_whole_made_smaller(stored, turn, size):
    one = frame(stored, size=size, turn=turn)
    found = one.shrunken(64)
    assert max(found.shape) == 64
    expected = cv2.resize(one.pixels, found.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - expected).mean() < 2.5


def test_only_what_is_asked_for_is_converted():
    one = frame()
    one.shrunken(64)
    one.square(0, 0, 32, 16)
    assert not {"_stored", "pixels"} & set(vars(one))


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(3, 4)])
def test_pixels_that_are_not_square_become_so_in_parts_too(aspect):
    one = frame(aspect=aspect)
    assert one.width / one.height == pytest.approx(128 / 96 * aspect, rel=0.02)
    assert np.array_equal(one.square(8, 8, 48, 48), one.pixels[8:56, 8:56])


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("turn", ["upright", "quarter"])
def test_every_way_to_an_hdr_frame_shows_the_same_brightness(transfer, turn):
    one = frame("yuv420p10le", turn=turn, color_trc=transfer, colorspace=9)
    plain = frame("yuv420p10le", turn=turn, colorspace=9)
    assert one.pixels.dtype == np.uint8
    assert np.abs(one.pixels.astype(int) - plain.pixels).mean() > 10
    assert np.abs(one.square(8, 8, 48, 48).astype(int) - one.pixels[8:56, 8:56]).mean() < 1
    expected = cv2.resize(one.pixels, one.shrunken(64).shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(one.shrunken(64).astype(int) - expected).mean() < 8


def test_picture_without_a_display_matrix_stands_upright():
    assert display_matrix(av.VideoFrame(16, 16, "yuv420p")) == UPRIGHT
