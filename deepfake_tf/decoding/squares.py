"""Squares cut out of pictures and resized: the geometry of crops, for RGB pictures and for single planes alike."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""uint8 or uint16, [H, W] or [H, W, 3]."""


def even_side(side: int, size_px: int) -> int:
    """Returns the next length that, and half of which for chroma, can be halved as often as it is when resized."""
    times = max(0, math.floor(math.log2(side / size_px))) if side > size_px else 0
    return side + -side % 2 ** (times + 1)


def cut_square(pixels: Pixels, left: int, top: int, side: int, size_px: int) -> Pixels:
    """Returns a square of a picture, resized; what lies outside the picture repeats its nearest pixel.

    Args:
        pixels: the picture.
        left: of the square, in pixels; it may lie outside.
        top: likewise.
        side: of the square, 1 or more.
        size_px: height and width of the result.
    """
    return _resize(_region(pixels, left, top, side), size_px)


def shrink(pixels: Pixels, width: int, height: int) -> Pixels:
    """Returns a whole picture at another size: halved by means over areas, and the rest of the way between pixels."""
    while pixels.shape[1] >= 2 * width and pixels.shape[0] >= 2 * height:
        pixels = _halved(pixels)
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR))


def _halved(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    return np.asarray(cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA))


def _region(pixels: Pixels, left: int, top: int, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    x0, x1 = min(max(left, 0), width - 1), max(min(left + side, width), 1)
    y0, y1 = min(max(top, 0), height - 1), max(min(top + side, height), 1)
    part = pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    if part.shape[:2] == (side, side):
        return part
    # Of a square that lies beside the picture only the nearest row or column is there, anywhere in it.
    before, above = min(max(x0 - left, 0), side - part.shape[1]), min(max(y0 - top, 0), side - part.shape[0])
    after, below = side - part.shape[1] - before, side - part.shape[0] - above
    return np.asarray(cv2.copyMakeBorder(part, above, below, before, after, cv2.BORDER_REPLICATE))


def _resize(square: Pixels, size_px: int) -> Pixels:
    """Halves it, each pixel the mean of four, while it is twice as large, and goes the rest of the way between pixels.

    The mean over other areas takes ten times as long, for every pixel that it reads.
    """
    while square.shape[0] >= 2 * size_px and square.shape[0] % 2 == 0:
        square = _halved(square)
    method = cv2.INTER_AREA if square.shape[0] >= 2 * size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (size_px, size_px), interpolation=method))
