"""The packets of a video as integers; the truth about references comes from the encoder's own frame types."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.decoding.timeline import PacketInfo, Timeline, h264_role, hevc_role

MILLISECOND = Fraction(1, 1000)


def packet(pts, kind="P"):
    return PacketInfo(pts, is_key=kind == "I", is_reference=kind != "B")


# In order of decoding; shown in the order of their times.
CLOSED = [packet(0, "I"), packet(40), packet(20, "B"), packet(60, "I"), packet(100), packet(80, "B")]
# The B frames after the second I are shown before it and need the P before it: an open group.
OPEN = [packet(0, "I"), packet(20), packet(60, "I"), packet(40, "B"), packet(80), packet(100, "I")]


def test_frames_are_numbered_in_order_of_presentation():
    timeline = Timeline(CLOSED, MILLISECOND)
    assert timeline.times.tolist() == [0, 20, 40, 60, 80, 100]
    assert timeline.is_reference.tolist() == [True, False, True, True, False, True]
    assert timeline.is_key.tolist() == [True, False, False, True, False, False]
    assert [timeline.index_at(pts) for pts in (0, 40, 59, 60, 500, -5)] == [0, 2, 2, 3, 5, 0]


def test_timestamps_begin_at_zero_wherever_the_video_begins():
    timeline = Timeline([packet(10_000, "I"), packet(10_040), packet(10_145)], MILLISECOND)
    assert [timeline.timestamp_us(index) for index in range(3)] == [0, 40_000, 145_000]


def test_frames_that_are_not_shown_have_no_number():
    hidden = PacketInfo(5, is_key=False, is_reference=True, is_shown=False)
    assert Timeline([packet(0, "I"), hidden, packet(10)], MILLISECOND).times.tolist() == [0, 10]


@pytest.mark.parametrize(
    ("packets", "wanted", "expected"),
    [
        (CLOSED, {1}, [1, 1, 1, 0, 0, 0]),
        (CLOSED, {0, 3}, [1, 0, 0, 1, 0, 0]),
        (CLOSED, {4}, [0, 0, 0, 1, 1, 1]),
        (CLOSED, {5}, [0, 0, 0, 1, 1, 0]),
        (CLOSED, {0, 5}, [1, 0, 0, 1, 1, 0]),
        (OPEN, {2}, [1, 1, 1, 1, 0, 0]),
        (OPEN, {3}, [0, 0, 1, 0, 0, 0]),
        (OPEN, {5}, [0, 0, 0, 0, 0, 1]),
    ],
)
def test_only_groups_that_hold_wanted_frames_are_decoded(packets, wanted, expected):
    assert Timeline(packets, MILLISECOND).packets_to_decode(wanted).astype(int).tolist() == expected


@given(kinds=st.lists(st.sampled_from("IPB"), min_size=1, max_size=40), data=st.data())
def test_whatever_the_order_the_wanted_packets_are_decoded(kinds, data):
    times = data.draw(st.permutations(range(len(kinds))))
    timeline = Timeline([packet(time, kind) for time, kind in zip(times, kinds, strict=True)], MILLISECOND)
    wanted = data.draw(st.sets(st.integers(0, len(kinds) - 1), min_size=1))
    needed = timeline.packets_to_decode(wanted)
    assert all(needed[times.index(index)] for index in wanted)
    # Decoding begins at a key frame wherever it begins, or at the first packet.
    begins = np.flatnonzero(needed & ~np.concatenate([[False], needed[:-1]]))
    assert all(kinds[begin] == "I" or begin == 0 for begin in begins)


def nal(first_byte, *, length_size):
    body = bytes([first_byte, 0x88, 0x84])
    return (len(body).to_bytes(length_size, "big") if length_size else b"\0\0\1") + body


@pytest.mark.parametrize("length_size", [0, 2, 4])
@pytest.mark.parametrize(
    ("role", "first_bytes", "expected"),
    [
        (h264_role, [0x67, 0x68, 0x65], (True, True)),  # SPS, PPS, IDR slice
        (h264_role, [0x06, 0x41], (False, True)),  # SEI, a slice that is referred to
        (h264_role, [0x01], (False, False)),  # a slice that is not
        (h264_role, [0x06], (False, True)),  # no slice at all: not known
        (hevc_role, [0x40, 0x42, 0x44, 0x26], (True, True)),  # VPS, SPS, PPS, IDR_W_RADL
        (hevc_role, [0x2A], (False, True)),  # CRA: an open group may begin here, no decoding
        (hevc_role, [0x02], (False, True)),  # TRAIL_R
        (hevc_role, [0x00], (False, False)),  # TRAIL_N
    ],
)
def test_role_is_read_from_the_first_slice(role, first_bytes, expected, length_size):
    data = b"".join(nal(byte, length_size=length_size) for byte in first_bytes)
    assert role(memoryview(data), length_size) == expected


@given(st.binary(max_size=200), st.sampled_from([0, 1, 2, 4]))
def test_any_bytes_have_some_role(data, length_size):
    assert isinstance(h264_role(memoryview(data), length_size)[0], bool)
    assert isinstance(hevc_role(memoryview(data), length_size)[0], bool)
