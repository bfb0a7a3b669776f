"""A folder of pictures read as if it were a video: each picture is a frame."""

import dataclasses
from collections.abc import Callable, Collection, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf.decoding.frames import Frame
from deepfake_tf.decoding.picture_files import picture_files
from deepfake_tf.decoding.timeline import PacketInfo, Timeline
from deepfake_tf.decoding.video import VideoInfo, check_size
from deepfake_tf.errors import DecodeError, TooLargeError
from deepfake_tf.schema import Limits

# Nobody says how fast they were taken.
USUAL_FPS = 25


class PictureFolder:
    """A folder of pictures that can be read as a `Video` is.

    Attributes:
        info: what it holds; its width and height are those of the last picture that was read.
        timeline: its pictures in order of their names, at USUAL_FPS.
        num_damaged_packets: pictures met so far that cannot be read.
    """

    def __init__(self, path: Path, *, limits: Limits | None = None, check: Callable[[], None] = lambda: None) -> None:
        """Looks what is in a folder.

        Args:
            path: the folder.
            limits: on the size of its files together, and of a picture.
            check: called before each picture is read; what it raises ends the work.

        Raises:
            DecodeError: there is no picture in it.
            TooLargeError: they have too many bytes.
        """
        self._limits = limits or Limits()
        self._check = check
        self._paths = picture_files(path)
        self.num_damaged_packets = 0
        if not self._paths:
            raise DecodeError(f"{path.name} holds no pictures.")
        num_bytes = sum(one.stat().st_size for one in self._paths)
        if num_bytes > self._limits.max_bytes:
            raise TooLargeError(f"The pictures have {num_bytes} bytes; at most {self._limits.max_bytes} are allowed.")
        num_frames = len(self._paths)
        self.timeline = Timeline([PacketInfo(n, True, True) for n in range(num_frames)], Fraction(1, USUAL_FPS))
        codec = self._paths[0].suffix.removeprefix(".").lower()
        self.info = VideoInfo(0, 0, USUAL_FPS, num_frames / USUAL_FPS, num_frames, codec)

    def frames(self, wanted: Collection[int]) -> Iterator[Frame]:
        """Reads the wanted pictures, in order.

        Args:
            wanted: their numbers.

        Yields:
            Frames; one that cannot be read is left out.

        Raises:
            TooLargeError: one has too many pixels.
        """
        for index in sorted(set(wanted)):
            self._check()
            pixels = _read(self._paths[index])
            if pixels is None:
                self.num_damaged_packets += 1
                continue
            height, width = pixels.shape[:2]
            check_size(width, height, self._limits)
            self.info = dataclasses.replace(self.info, width=width, height=height)
            picture = av.VideoFrame.from_ndarray(pixels, "rgb24")
            yield Frame(picture, index, self.timeline.timestamp_us(index), Fraction(1))


def _read(path: Path) -> NDArray[np.uint8] | None:
    """A picture, uint8 RGB [H, W, 3], None for what is none."""
    data = np.fromfile(path, np.uint8)
    if not data.size:
        return None
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        # OpenCV returns nothing for bytes that are no picture, and raises for more pixels than it takes on, or than
        # the memory of a task holds.
        raise TooLargeError(f"{path.name} has more pixels than can be decoded here.") from error
    return None if pixels is None else np.asarray(pixels, np.uint8)
