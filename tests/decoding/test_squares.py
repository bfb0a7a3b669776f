"""Cutting and resizing, on pictures whose every pixel tells where it came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.decoding.squares import cut_square, shrink


def where(height=40, width=60):
    """uint8 [H, W, 3]: the column, the row, and nothing."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width)
    pixels[..., 1] = np.arange(height)[:, None]
    return pixels


def test_square_of_the_same_size_is_cut_exactly():
    assert np.array_equal(cut_square(where(), 10, 20, 8, 8), where()[20:28, 10:18])
    assert np.array_equal(cut_square(where()[..., 0], 10, 20, 8, 8), where()[20:28, 10:18, 0])


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(1, 90))
def test_outside_the_picture_its_nearest_pixel_is_repeated(left, top, side):
    found = cut_square(where(), left, top, side, side)
    assert found[0, :, 0].tolist() == np.clip(np.arange(left, left + side), 0, 59).tolist()
    assert found[:, 0, 1].tolist() == np.clip(np.arange(top, top + side), 0, 39).tolist()


def test_shrinking_takes_the_mean_over_areas():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    means = noise.reshape(16, 4, 16, 4).mean((1, 3))
    assert np.abs(cut_square(noise, 0, 0, 64, 16) - means).max() <= 1
    assert np.abs(shrink(noise, 16, 16) - means).max() <= 1


@pytest.mark.parametrize("size", [(480, 270), (300, 400), (1, 1), (961, 541), (1920, 1080), (2000, 1100)])
def test_a_picture_is_shrunk_to_the_size_asked_for(size):
    slope = np.linspace(0, 255, 1920, dtype=np.float32).astype(np.uint8)[None].repeat(1080, 0)
    found = shrink(slope, *size)
    assert found.shape == (size[1], size[0])
    middles = (np.arange(size[0]) + 0.5) / size[0] * 255
    assert np.abs(found[0] - middles).max() <= 2
