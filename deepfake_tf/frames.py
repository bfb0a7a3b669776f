"""One decoded frame: as displayed, RGB, converted no more than is asked for."""

from fractions import Fraction
from functools import cached_property
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray

from deepfake_tf.errors import DecodeError


class Frame:
    """One decoded frame; its pixels are converted only when they are asked for, at the size that is asked for.

    Attributes:
        index: number in order of presentation, from 0.
        timestamp_us: microseconds from the start of the video.
        width: as displayed.
        height: as displayed.
    """

    def __init__(self, picture: av.VideoFrame, index: int, timestamp_us: int, sample_aspect: Fraction) -> None:
        self.index = index
        self.timestamp_us = timestamp_us
        self._picture = picture
        self._matrix = _display_matrix(picture)
        self._stored_size = square_pixels(picture.width, picture.height, sample_aspect)
        self.width, self.height = _turned_size(self._stored_size, self._matrix)

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The frame as displayed, uint8 RGB [H, W, 3]."""
        return self._convert(*self._stored_size)

    def shrunken(self, longer_side_px: int) -> NDArray[np.uint8]:
        """Returns the frame with its longer side at most this long, uint8 RGB [h, w, 3]."""
        width, height = self._stored_size
        scale = min(1.0, longer_side_px / max(width, height))
        return self._convert(max(1, round(width * scale)), max(1, round(height * scale)))

    def _convert(self, width: int, height: int) -> NDArray[np.uint8]:
        try:
            # By default it would start threads for every frame, as many as there are cores.
            converted = self._picture.reformat(
                width=width, height=height, format="rgb24", interpolation="AREA", threads=1
            )
        except MemoryError:
            raise
        except av.FFmpegError as error:
            kind = self._picture.format.name
            raise DecodeError(f"Frame {self.index} is of a kind that cannot be shown ({kind}): {error}.") from error
        return _turn(np.asarray(converted.to_ndarray(), np.uint8), self._matrix)


def square_pixels(width: int, height: int, sample_aspect: Fraction) -> tuple[int, int]:
    """The size with square pixels; the side that is too short grows, so that no detail is lost."""
    if sample_aspect >= 1:
        return round(width * sample_aspect), height
    return width, round(height / sample_aspect)


def _display_matrix(picture: av.VideoFrame) -> tuple[int, int, int, int]:
    """(a, b, c, d) of the display matrix: x is shown at a x + c y, y at b x + d y; see FFmpeg's display.h."""
    # Its keys are the types of side data, whatever the stubs say.
    item: Any = picture.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    if item is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(item), np.int32)[:5].tolist()
    return a, b, c, d


def _turned_size(size: tuple[int, int], matrix: tuple[int, int, int, int]) -> tuple[int, int]:
    a, b, _, _ = matrix
    return size if abs(a) >= abs(b) else (size[1], size[0])


def _turn(pixels: NDArray[np.uint8], matrix: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Turns and mirrors a picture by quarter turns, as its display matrix says."""
    a, b, c, d = matrix
    if abs(a) >= abs(b):
        flip_x, flip_y = a < 0, d < 0
    else:
        pixels = pixels.transpose(1, 0, 2)
        flip_x, flip_y = c < 0, b < 0
    return np.ascontiguousarray(pixels[:: -1 if flip_y else 1, :: -1 if flip_x else 1])
