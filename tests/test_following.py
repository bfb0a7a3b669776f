"""Following faces: a detector that counts its looks, on frames that are only a number and a time."""

from types import SimpleNamespace

import numpy as np
import pytest

from deepfake_tf.faces import Detection
from deepfake_tf.following import Follower


def face(number):
    return Detection((10.0 + number, 10.0, 50.0 + number, 50.0), 0.9, np.full((6, 2), number, np.float32))


def frame(number, step_us=40_000):
    return SimpleNamespace(index=number, timestamp_us=number * step_us)


class CountingDetector:
    """Finds one face, at a place that grows with the number of the frame, in the frames that it is told of."""

    def __init__(self, seen=range(1000), again=range(1000)):
        self.seen, self.again = seen, again
        self.looks = []
        self.closely = []

    def detect(self, frame, *, known=(), closely=True):
        self.looks.append(f"{frame.index}" + (" near" if known else ""))
        self.closely.append(closely)
        return [face(frame.index)] if frame.index in self.seen else []

    def look_again(self, frame, known):
        self.looks.append(f"{frame.index} again")
        return [face(frame.index)] if frame.index in self.again else None


def followed(detector, num_frames, every, step_us=40_000):
    follower = Follower(detector)
    found = []
    for number in range(num_frames):
        found += follower.take(frame(number, step_us), must_look=number % every == 0)
    return found + follower.rest()


def test_between_near_looks_faces_lie_on_the_way():
    detector = CountingDetector()
    found = followed(detector, 9, 4)
    assert detector.looks == ["0", "4 near", "8 near"]
    assert [one.index for one, _ in found] == list(range(9))
    assert [faces[0].box_xyxy_px[0] for _, faces in found] == pytest.approx(np.arange(10, 19))


def test_far_frames_between_looks_get_a_cheaper_one():
    detector = CountingDetector()
    found = followed(detector, 6, 3, step_us=500_000)
    assert detector.looks == ["0", "1 again", "2 again", "3 near", "4 again", "5 again"]
    assert [one.index for one, _ in found] == list(range(6))


def test_what_a_cheaper_look_misses_is_looked_for_in_the_whole_frame():
    detector = CountingDetector(again=())
    followed(detector, 2, 2, step_us=500_000)
    assert detector.looks == ["0", "1 again", "1 near"]


def test_long_ago_is_not_known():
    detector = CountingDetector()
    followed(detector, 2, 1, step_us=3_000_000)
    assert detector.looks == ["0", "1"]


def test_frames_at_the_end_are_looked_at_themselves():
    detector = CountingDetector()
    found = followed(detector, 3, 4)
    assert detector.looks == ["0", "1 near", "2 near"]
    assert [one.index for one, _ in found] == [0, 1, 2]


def test_where_a_face_appears_the_frames_before_are_looked_at():
    detector = CountingDetector(seen=range(2, 9))
    found = followed(detector, 5, 4)
    assert [bool(faces) for _, faces in found] == [False, False, True, True, True]


def test_long_stretches_without_a_face_are_looked_at_closely_now_and_then():
    detector = CountingDetector(seen={15})
    followed(detector, 20, 1)
    at_first, now_and_then = [True] * 5, [False] * 3 + [True]
    assert detector.closely == [*at_first, *now_and_then, *now_and_then, *now_and_then[:3], True, True, True, True]
