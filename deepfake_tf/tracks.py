"""Tracks: detections of one face, linked through the sampled frames of a video."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf.faces import Detection

# How far a face may seem to go between two frames, in its own sizes (distance of the centres plus the logarithm of the
# ratio of sizes): at once, and for each second between them. A cut or a long gap does not join what is far apart.
_REACH_AT_ONCE = 0.6
_REACH_PER_SEC = 1.0
_WIDEST_REACH = 1.5
# How far a face may go between two looks for its place in between to be taken from these.
_FOLLOWED_REACH = 0.2
# Crops this much alike show one face wherever it has gone: between far frames of one face 99 in 100 are (8 x 8 pixels,
# correlation over all of them), between faces of different videos 1 or 2 in 100, measured on real videos.
_LEAST_ALIKE = 0.75
_MOST_RESIZED = 2.0
_LOOK_SIZE_PX = 8
_LEAST_SEEN = 3
_LEAST_SHARE_SEEN = 0.1
# How far from the least confidence to 1 a face must come once: from 0.5 to 0.69.
_LEAST_SURE = 0.38
# How far one that is seen twice only must come, as in a short shot between far frames: to 0.8.
_LEAST_SURE_OF_FEW = 0.6
_FEW = 2
# And one that is seen this often: to 0.665.
_LEAST_SURE_OF_MANY = 0.33
_MANY = 8
# And a closer look at one that is not: to 0.75.
_LEAST_SURE_OF_CLOSER = 0.5

Look = NDArray[np.float32]
"""[8, 8, 3]: a crop made tiny, each colour with mean 0, the whole with length 1."""


@dataclass
class Track:
    """One face through time.

    Attributes:
        detections: by number of frame.
    """

    detections: dict[int, Detection] = field(default_factory=dict)

    @property
    def prominence(self) -> float:
        """Sum over frames of the box's area times the confidence: large, long and sure comes first."""
        return sum(_size(one) ** 2 * one.confidence for one in self.detections.values())

    @property
    def best_confidence(self) -> float:
        """The highest of its detections, in [0, 1]."""
        return max((one.confidence for one in self.detections.values()), default=0.0)


class TrackLinker:
    """Links detections as frames come in.

    Attributes:
        tracks: those begun so far.
    """

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._last_seen: list[tuple[Detection, int]] = []
        self._last_looks: list[Look | None] = []

    def add(
        self, index: int, timestamp_us: int, detections: list[Detection], looks: Sequence[Look] | None = None
    ) -> list[int]:
        """Gives each detection of the next frame to a track, nearest pair first, or to a new one.

        First come those in reach, then those that look the same: between far frames a face may go far.

        Args:
            index: of the frame.
            timestamp_us: of the frame.
            detections: its faces.
            looks: of these faces; None if only their places are to be compared.

        Returns:
            For each detection the number of its track in `tracks`.
        """
        seen: list[Look | None] = list(looks) if looks is not None else [None] * len(detections)
        given = [-1] * len(detections)
        pairs = self._pairs_in_reach(timestamp_us, detections) + self._pairs_alike(detections, seen)
        for track, number in pairs:
            if track not in given and given[number] < 0:
                given[number] = track
        for number, detection in enumerate(detections):
            if given[number] < 0:
                given[number] = len(self.tracks)
                self.tracks.append(Track())
                self._last_seen.append((detection, timestamp_us))
                self._last_looks.append(None)
            self.tracks[given[number]].detections[index] = detection
            self._last_seen[given[number]] = (detection, timestamp_us)
            self._last_looks[given[number]] = seen[number]
        return given

    def _pairs_in_reach(self, timestamp_us: int, detections: list[Detection]) -> list[tuple[int, int]]:
        """(track, number of the detection), nearest first."""
        pairs = []
        for track, (last, seen_us) in enumerate(self._last_seen):
            reach = min(_WIDEST_REACH, _REACH_AT_ONCE + _REACH_PER_SEC * (timestamp_us - seen_us) / 1e6)
            for number, one in enumerate(detections):
                distance = apart(last, one)
                if distance <= reach:
                    pairs.append((distance, track, number))
        return [(track, number) for _, track, number in sorted(pairs)]

    def _pairs_alike(self, detections: list[Detection], looks: list[Look | None]) -> list[tuple[int, int]]:
        """(track, number of the detection), those that look most alike first."""
        pairs = []
        for track, (last, before) in enumerate(zip(self._last_seen, self._last_looks, strict=True)):
            for number, (one, look) in enumerate(zip(detections, looks, strict=True)):
                if before is None or look is None or not 1 / _MOST_RESIZED <= _ratio(last[0], one) <= _MOST_RESIZED:
                    continue
                share = alike(before, look)
                if share >= _LEAST_ALIKE:
                    pairs.append((-share, track, number))
        return [(track, number) for _, track, number in sorted(pairs)]


def look_of(crop: NDArray[np.uint8]) -> Look:
    """Returns what a crop, uint8 RGB [H, W, 3], looks like at a glance."""
    small = cv2.resize(crop, (_LOOK_SIZE_PX, _LOOK_SIZE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    centred = small - small.mean((0, 1))
    return np.asarray(centred / max(1e-6, float(np.linalg.norm(centred))), np.float32)


def alike(one: Look, other: Look) -> float:
    """Returns how much two crops look alike, in [-1, 1]: the correlation of their pixels."""
    return float((one * other).sum())


def apart(one: Detection, other: Detection) -> float:
    """Returns how far two detections are apart: 0 for equal boxes."""
    size, other_size = _size(one), _size(other)
    if size <= 0 or other_size <= 0:
        return math.inf
    distance = math.dist(_centre(one), _centre(other)) / ((size + other_size) / 2)
    return distance + abs(math.log(size / other_size))


def tracks_to_keep(
    tracks: list[Track],
    *,
    num_frames_sampled: int,
    max_tracks: int,
    min_confidence: float,
    look_closer: Callable[[int], float] = lambda number: 0.0,
) -> list[int]:
    """Returns the numbers of the tracks that are faces, the most prominent first.

    Where there are more than may be kept, those go first that bring nothing to frames without another.

    What the detector takes for a face by mistake seldom lasts: a track must be seen in a tenth of the sampled frames,
    though never in more than three; twice is enough if it stands out very much. And it is never sure: a track must
    stand out once, a little less if it is seen often. Measured on real videos: letters, leaves and noise reach 0.68,
    those that last 0.65; faces that come and go 0.70, and 0.67 where they last; those that are always there 0.84, but
    for blurred ones as large as the frame (0.65). A closer look at these finds 0.90, and at what is no face 0.68.

    Args:
        tracks: all of them.
        num_frames_sampled: frames that were looked at.
        max_tracks: at most so many are returned.
        min_confidence: least confidence of a detection, in [0, 1].
        look_closer: takes the number of a track that was never sure and returns how sure another look at it is.
    """
    least_seen = min(_LEAST_SEEN, math.ceil(num_frames_sampled * _LEAST_SHARE_SEEN))
    of_few, of_some, of_many, of_closer = (
        min_confidence + (1 - min_confidence) * share
        for share in (_LEAST_SURE_OF_FEW, _LEAST_SURE, _LEAST_SURE_OF_MANY, _LEAST_SURE_OF_CLOSER)
    )

    def is_face(number: int) -> bool:
        num_seen, best = len(tracks[number].detections), tracks[number].best_confidence
        if num_seen < least_seen:
            return num_seen >= _FEW and best >= of_few
        return best >= (of_many if num_seen >= _MANY else of_some) or look_closer(number) >= of_closer

    kept = [number for number in range(len(tracks)) if is_face(number)]
    return _choose(sorted(kept, key=lambda number: -tracks[number].prominence), tracks, max_tracks)


def _choose(ranked: list[int], tracks: list[Track], max_tracks: int) -> list[int]:
    """The first ones, but for those that bring a face to frames without one, which come before the others."""
    chosen: list[int] = []
    covered: set[int] = set()
    for number in ranked:
        if len(chosen) < max_tracks and not tracks[number].detections.keys() <= covered:
            chosen.append(number)
            covered |= tracks[number].detections.keys()
    chosen += [number for number in ranked if number not in chosen][: max_tracks - len(chosen)]
    return [number for number in ranked if number in chosen]


def pairs_to_follow(before: list[Detection], after: list[Detection]) -> list[tuple[int, int]]:
    """Returns which faces of two frames may have gone straight from the one to the other.

    Args:
        before: faces of the frame before.
        after: faces of the frame after.

    Returns:
        (number before, number after) of every face; nothing if there are none, or if not each has one near it.
    """
    if len(before) != len(after):
        return []
    free = list(range(len(after)))
    pairs = []
    for number, one in enumerate(before):
        other = min(free, key=lambda candidate: apart(one, after[candidate]))
        if apart(one, after[other]) > _FOLLOWED_REACH:
            return []
        free.remove(other)
        pairs.append((number, other))
    return pairs


def between(one: Detection, other: Detection, share: float) -> Detection:
    """Returns a face on the straight line from one place to another.

    Args:
        one: where it was.
        other: where it will be.
        share: how far it has gone, in [0, 1].
    """
    # As records store it: what is cut out again from there must be the same.
    left, top, right, bottom = (
        float(np.float32(a + (b - a) * share)) for a, b in zip(one.box_xyxy_px, other.box_xyxy_px, strict=True)
    )
    return Detection(
        box_xyxy_px=(left, top, right, bottom),
        confidence=min(one.confidence, other.confidence),
        keypoints_px=one.keypoints_px + (other.keypoints_px - one.keypoints_px) * np.float32(share),
    )


def _centre(one: Detection) -> tuple[float, float]:
    left, top, right, bottom = one.box_xyxy_px
    return (left + right) / 2, (top + bottom) / 2


def _ratio(one: Detection, other: Detection) -> float:
    return _size(one) / max(1e-6, _size(other))


def _size(one: Detection) -> float:
    left, top, right, bottom = one.box_xyxy_px
    return max(0.0, right - left + bottom - top) / 2
