"""Following faces: a detector that counts its looks, on frames that are only a number and a time."""

from types import SimpleNamespace

import numpy as np
import pytest

from deepfake_tf.crops import Crop
from deepfake_tf.faces import Detection
from deepfake_tf.following import Follower


def face(number):
    return Detection((10.0 + number, 10.0, 50.0 + number, 50.0), 0.9, np.full((6, 2), number, np.float32))


def frame(number, step_us=40_000):
    return SimpleNamespace(index=number, timestamp_us=number * step_us)


class CountingDetector:
    """Finds one face, at a place that grows with the number of the frame, in the frames that it is told of."""

    def __init__(self, seen=range(1000)):
        self.seen = seen
        self.looks = []
        self.closely = []

    def detect(self, frame, *, known=(), closely=True):
        self.looks.append(f"{frame.index}" + (" near" if known else ""))
        self.closely.append(closely)
        return [face(frame.index)] if frame.index in self.seen else []


def cut_where_the_face_is(one, detection):
    """A crop that looks like the face if it was cut within a pixel of where `face` has it."""
    look = np.zeros((8, 8, 3), np.float32)
    look[0, 0, 0 if abs(detection.box_xyxy_px[0] - 10 - one.index) < 1 else 1] = 1
    return Crop(b"", detection.keypoints_px, 0.0, look)


def followed(detector, num_frames, every, step_us=40_000, cut=cut_where_the_face_is):
    follower = Follower(detector, cut)
    found = []
    for number in range(num_frames):
        found += follower.take(frame(number, step_us), must_look=number % every == 0)
    return found + follower.rest()


def test_between_looks_faces_lie_on_the_way():
    detector = CountingDetector()
    found = followed(detector, 9, 4)
    assert detector.looks == ["0", "1 near", "4 near", "8 near"]
    assert [seen.frame.index for seen in found] == list(range(9))
    assert [seen.faces[0].box_xyxy_px[0] for seen in found] == pytest.approx(np.arange(10, 19))
    assert [len(seen.crops) for seen in found] == [1] * 9


def test_where_the_face_is_not_on_the_way_is_looked_in_the_middle():
    detector = CountingDetector()

    def cut(one, detection):
        # As if the face had gone another way: only where it was looked for it is seen.
        was_looked_for = any(look.split()[0] == str(one.index) for look in detector.looks)
        return cut_where_the_face_is(one if was_looked_for else frame(-99), detection)

    found = followed(detector, 9, 8, cut=cut)
    assert detector.looks == ["0", "1 near", "8 near", "5 near", "3 near", "2 near", "4 near", "7 near", "6 near"]
    assert [seen.frame.index for seen in found] == list(range(9))


def test_looks_that_are_too_far_apart_tell_nothing_of_what_lies_between():
    detector = CountingDetector()
    followed(detector, 6, 5, step_us=700_000)
    assert detector.looks == ["0", "1 near", "4", "3 near", "5 near"]


def test_few_frames_wait():
    detector = CountingDetector()
    followed(detector, 40, 40, step_us=1_000)
    assert detector.looks[:3] == ["0", "1 near", "10 near"]


def test_long_ago_is_not_known():
    detector = CountingDetector()
    followed(detector, 2, 1, step_us=3_000_000)
    assert detector.looks == ["0", "1"]


def test_frames_at_the_end_are_looked_at_themselves():
    detector = CountingDetector()
    found = followed(detector, 4, 4)
    assert detector.looks == ["0", "1 near", "2 near", "3 near"]
    assert [seen.frame.index for seen in found] == [0, 1, 2, 3]


def test_where_a_face_appears_the_frames_before_are_looked_at():
    detector = CountingDetector(seen=range(2, 9))
    found = followed(detector, 5, 4)
    assert [bool(seen.faces) for seen in found] == [False, False, True, True, True]


def test_while_faces_come_and_go_no_frame_waits():
    detector = CountingDetector(seen=range(0, 9, 2))
    followed(detector, 6, 8)
    assert [look.split()[0] for look in detector.looks] == ["0", "1", "2", "3", "4", "5"]


def test_long_stretches_without_a_face_are_looked_at_closely_now_and_then():
    detector = CountingDetector(seen={15})
    followed(detector, 20, 1)
    at_first, now_and_then = [True] * 5, [False] * 3 + [True]
    assert detector.closely == [*at_first, *now_and_then, *now_and_then, *now_and_then[:3], True, True, True, True]
