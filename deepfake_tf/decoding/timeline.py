"""The packets of a video as integers: when each frame is shown, which are references, which packets to decode.

Pure arithmetic on what the container says; nothing is decoded here.
"""

import bisect
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PacketInfo:
    """What is known of one packet without decoding it.

    Attributes:
        pts: when its frame is shown, in ticks.
        is_key: decoding can begin here.
        is_reference: other frames need it; where the codec does not tell, True.
        is_shown: False for a packet that is only there for others to be decoded.
    """

    pts: int
    is_key: bool
    is_reference: bool
    is_shown: bool = True


class Timeline:
    """All frames of a video in order of presentation, numbered from 0.

    Attributes:
        times: int64 [N], strictly increasing times of the frames in ticks.
        tick_sec: length of a tick.
        is_reference: bool [N], frames that must be decoded for others anyway, and so are cheap to have.
        is_key: bool [N], frames that decoding can begin at.
    """

    def __init__(self, packets: list[PacketInfo], tick_sec: Fraction) -> None:
        self.tick_sec = tick_sec
        self._packets = packets
        shown = [packet for packet in packets if packet.is_shown]
        self.times, first = np.unique(np.array([packet.pts for packet in shown], np.int64), return_index=True)
        self._times: list[int] = self.times.tolist()
        self.is_reference: NDArray[np.bool_] = np.array([packet.is_reference for packet in shown], bool)[first]
        self.is_key: NDArray[np.bool_] = np.array([packet.is_key for packet in shown], bool)[first]

    def __len__(self) -> int:
        return len(self.times)

    def timestamp_us(self, index: int) -> int:
        """Returns when a frame is shown, in microseconds from the first."""
        return round(int(self.times[index] - self.times[0]) * self.tick_sec * 1_000_000)

    def index_at(self, pts: int) -> int:
        """Returns the number of the frame shown at a time (of the one before, if there is none at it exactly)."""
        return max(0, bisect.bisect_right(self._times, pts) - 1)

    def packets_to_decode(self, wanted: Collection[int]) -> NDArray[np.bool_]:
        """Returns which packets, in order of decoding, can be of use for the wanted frames.

        A group of pictures (from one key frame to the next) is needed up to the last wanted frame in it, and the group
        before it is needed whole if a wanted frame is shown before the group's key frame (an open group).

        Args:
            wanted: numbers of frames.

        Returns:
            bool [number of packets].
        """
        pts = np.array([packet.pts for packet in self._packets], np.int64)
        is_key = np.array([packet.is_key for packet in self._packets], bool)
        is_wanted = np.isin(pts, self.times[sorted(wanted)])
        group = np.cumsum(is_key)
        needed = np.zeros(len(pts), bool)
        for number in np.unique(group[is_wanted]):
            members = np.flatnonzero(group == number)
            needed[members[0] : members[is_wanted[members]][-1] + 1] = True
            if number > 0 and (pts[members][is_wanted[members]] < pts[members[0]]).any():
                needed[group == number - 1] = True
        return needed


def h264_role(data: memoryview, length_size: int) -> tuple[bool, bool]:
    """Returns (is_key, is_reference) of one H.264 access unit, from its first slice (ITU-T H.264, 7.3.1).

    Args:
        data: the packet.
        length_size: bytes of the length before each NAL unit, 0 for start codes.
    """
    for first_byte in _nal_first_bytes(data, length_size):
        if first_byte & 31 in (1, 2, 5):
            return first_byte & 31 == 5, first_byte >> 5 & 3 != 0
    return False, True


def hevc_role(data: memoryview, length_size: int) -> tuple[bool, bool]:
    """Returns (is_key, is_reference) of one HEVC access unit, from its first slice (ITU-T H.265, 7.4.2.2)."""
    for first_byte in _nal_first_bytes(data, length_size):
        kind = first_byte >> 1 & 63
        if kind < 32:
            return kind in (19, 20), kind >= 16 or kind % 2 == 1
    return False, True


def _nal_first_bytes(data: memoryview, length_size: int) -> Iterator[int]:
    if length_size == 0:
        text = bytes(data)
        position = text.find(b"\0\0\1")
        while 0 <= position < len(text) - 3:
            yield text[position + 3]
            position = text.find(b"\0\0\1", position + 3)
        return
    position = 0
    while position + length_size < len(data):
        length = int.from_bytes(data[position : position + length_size], "big")
        yield data[position + length_size]
        position += length_size + length
