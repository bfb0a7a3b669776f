"""Gaussian noise for the frames of a clip, quickly."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike, NDArray


def draw_noise(random: np.random.Generator, shape: tuple[int, ...], std: float, dtype: DTypeLike) -> Iterator[NDArray]:
    """Yields noise for each frame, without end.

    Two frames' worth are drawn; each frame gets a stretch of them from a place of its own. Where two frames share
    values they lie at other pixels, so that frames are uncorrelated, for a quarter of the time of an 8-frame clip.

    Args:
        random: for the draw and the places.
        shape: of a frame.
        std: standard deviation, in grey levels.
        dtype: a signed whole number (then it is rounded) or a float.
    """
    import cv2

    size = int(np.prod(shape))
    bank = np.empty((1, 2 * size), dtype)
    # OpenCV's generator is one per thread: with a seed set here nothing that runs beside it can disturb it.
    cv2.setRNGSeed(int(random.integers(2**31)))
    cv2.randn(bank, np.zeros(1), np.array([std]))
    while True:
        begin = int(random.integers(size + 1))
        yield bank[0, begin : begin + size].reshape(shape)
