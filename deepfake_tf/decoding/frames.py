"""One decoded frame: as displayed, RGB, converted no more than is asked for.

Most videos store full-size luma and half-size chroma in 8 bits. Of these, what is asked for is cut out and shrunk
first and becomes RGB last; other kinds of pictures become RGB whole, by FFmpeg.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray

from deepfake_tf.decoding import colour, squares
from deepfake_tf.errors import DecodeError

DisplayMatrix = tuple[int, int, int, int]
"""(a, b, c, d): x is shown at a x + c y, y at b x + d y; see FFmpeg's display.h."""

UPRIGHT: DisplayMatrix = (1, 0, 0, 1)
_HALF_SIZE_CHROMA = {"yuv420p", "yuvj420p"}
_FULL_RANGE = 2


@dataclass(frozen=True)
class _Planes:
    """A picture as it is stored: luma [H, W], its blue and red difference [H/2, W/2], and what makes RGB of them."""

    luma: NDArray[np.uint8]
    chroma: tuple[NDArray[np.uint8], ...]
    rgb_matrix: NDArray[np.float32]


class Frame:
    """One decoded frame; its pixels are converted only when they are asked for, at the size that is asked for.

    Attributes:
        index: number in order of presentation, from 0.
        timestamp_us: microseconds from the start of the video.
        width: as displayed.
        height: as displayed.
    """

    def __init__(
        self,
        picture: av.VideoFrame,
        index: int,
        timestamp_us: int,
        sample_aspect: Fraction,
        matrix: DisplayMatrix = UPRIGHT,
    ) -> None:
        self.index = index
        self.timestamp_us = timestamp_us
        self._picture = picture
        self._matrix = matrix
        self._stored_size = square_pixels(picture.width, picture.height, sample_aspect)
        self.width, self.height = _turned_size(self._stored_size, matrix)
        self._hdr_transfer = int(picture.color_trc) if int(picture.color_trc) in colour.HDR_NAMES else None

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The frame as displayed, uint8 RGB [H, W, 3]."""
        return _turn(self._standard_range(self._stored), self._matrix)

    def shrunken(self, longer_side_px: int) -> NDArray[np.uint8]:
        """Returns the frame with its longer side at most this long, uint8 RGB [h, w, 3]."""
        scale = min(1.0, longer_side_px / max(self._stored_size))
        width, height = (max(1, round(side * scale)) for side in self._stored_size)
        if self._planes is None:
            return _turn(self._standard_range(self._convert(width, height)), self._matrix)
        planes = [squares.shrink(one, width, height) for one in (self._planes.luma, *self._planes.chroma)]
        return _turn(_to_rgb(planes, self._planes.rgb_matrix), self._matrix)

    def square(self, left: int, top: int, side: int, size_px: int) -> NDArray[np.uint8]:
        """Returns a square of the frame as displayed, resized, uint8 RGB [size_px, size_px, 3].

        Args:
            left: in pixels of the frame; outside the frame its edge is repeated.
            top: likewise.
            side: likewise; where all three are even, chroma is cut exactly where luma is.
            size_px: height and width of the result.
        """
        left, top = self._stored_place(left, top, side)
        if self._planes is None:
            cut = self._standard_range(squares.cut_square(self._stored, left, top, side, size_px))
        else:
            half = (left // 2, top // 2, max(1, side // 2))
            planes = [
                squares.cut_square(self._planes.luma, left, top, side, size_px),
                *(squares.cut_square(one, *half, size_px) for one in self._planes.chroma),
            ]
            cut = _to_rgb(planes, self._planes.rgb_matrix)
        return _turn(cut, self._matrix)

    @cached_property
    def _stored(self) -> NDArray[Any]:
        """The whole picture as it is stored, RGB [H, W, 3]: uint16 and not yet of standard range if it is HDR."""
        return self._convert(*self._stored_size)

    @cached_property
    def _planes(self) -> _Planes | None:
        """None for pictures that are stored in another way."""
        picture = self._picture
        is_plain = picture.format.name in _HALF_SIZE_CHROMA and self._stored_size == (picture.width, picture.height)
        is_full_range = int(picture.color_range) == _FULL_RANGE or picture.format.name == "yuvj420p"
        matrix = colour.rgb_matrix(int(picture.colorspace), is_full_range=is_full_range)
        if not is_plain or matrix is None or self._hdr_transfer is not None:
            return None
        luma, *chroma = (
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
            for plane in picture.planes
        )
        return _Planes(luma, tuple(chroma), matrix)

    def _standard_range(self, rgb: NDArray[Any]) -> NDArray[np.uint8]:
        return rgb if self._hdr_transfer is None else colour.to_standard_range(rgb, self._hdr_transfer)

    def _convert(self, width: int, height: int) -> NDArray[Any]:
        kind = "rgb24" if self._hdr_transfer is None else "rgb48le"
        try:
            # By default it would start threads for every frame, as many as there are cores.
            converted = self._picture.reformat(width=width, height=height, format=kind, interpolation="AREA", threads=1)
        except MemoryError:
            raise
        except av.FFmpegError as error:
            stored = self._picture.format.name
            raise DecodeError(f"Frame {self.index} is of a kind that cannot be shown ({stored}): {error}.") from error
        return np.asarray(converted.to_ndarray())

    def _stored_place(self, left: int, top: int, side: int) -> tuple[int, int]:
        """(left, top) of a square in the picture as it is stored."""
        is_swapped, flip_x, flip_y = _turns(self._matrix)
        left = self.width - left - side if flip_x else left
        top = self.height - top - side if flip_y else top
        return (top, left) if is_swapped else (left, top)


def square_pixels(width: int, height: int, sample_aspect: Fraction) -> tuple[int, int]:
    """The size with square pixels; the side that is too short grows, so that no detail is lost."""
    if sample_aspect >= 1:
        return round(width * sample_aspect), height
    return width, round(height / sample_aspect)


def display_matrix(picture: av.VideoFrame) -> DisplayMatrix:
    """Returns how a picture is turned; afterwards it stands in a circle of objects, and its memory is freed late."""
    # Its keys are the types of side data, whatever the stubs say.
    item: Any = picture.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    if item is None:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(item), np.int32)[:5].tolist()
    return a, b, c, d


def _to_rgb(planes: list[NDArray[np.uint8]], matrix: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(cv2.transform(cv2.merge(planes), matrix), np.uint8)


def _turns(matrix: DisplayMatrix) -> tuple[bool, bool, bool]:
    """Whether columns become rows, and whether the picture is then mirrored left to right, and top to bottom."""
    a, b, c, d = matrix
    return (False, a < 0, d < 0) if abs(a) >= abs(b) else (True, c < 0, b < 0)


def _turned_size(size: tuple[int, int], matrix: DisplayMatrix) -> tuple[int, int]:
    return (size[1], size[0]) if _turns(matrix)[0] else size


def _turn(pixels: NDArray[np.uint8], matrix: DisplayMatrix) -> NDArray[np.uint8]:
    """Turns and mirrors a picture by quarter turns, as its display matrix says."""
    is_swapped, flip_x, flip_y = _turns(matrix)
    pixels = pixels.transpose(1, 0, 2) if is_swapped else pixels
    return np.ascontiguousarray(pixels[:: -1 if flip_y else 1, :: -1 if flip_x else 1])
