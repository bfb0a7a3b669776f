"""Where faces are in the frames of a video: looked for in some, and taken to lie on the way in those between.

That a face went straight from one look to the next is not believed but seen: what lies on the way must look like the
face at both ends. Where it does not, the frame in the middle is looked at, and so on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from deepfake_tf import tracks
from deepfake_tf.crops import Crop
from deepfake_tf.decoding.frames import Frame
from deepfake_tf.faces import Detection, Detector

# So far apart two looks may be: who comes and goes in between is not seen.
_WAITS_FOR_US = 2_000_000
# So many frames wait at most: each is large.
_MOST_WAITING = 8
# So long a face is known to have been somewhere.
_KNOWN_FOR_US = 2_000_000
# So many frames without a face are looked at as closely as possible, and then one in so many.
_LOOKED_AT_CLOSELY = 4
# A crop on the way is the face's if it is this much alike to those at both ends. Measured on real videos, three frames
# of four between looks: the box that the detector finds there overlaps the one on the way by 0.96 (intersection over
# union, median), 99 of 100 by more than 0.81; without this rule 95 of 100 do by more than 0.67.
_LEAST_ALIKE = 0.93

Cut = Callable[[Frame, Detection], Crop]
"""Cuts a face out of a frame."""


@dataclass(frozen=True)
class Seen:
    """A frame, its faces, and for each of them its crop."""

    frame: Frame
    faces: list[Detection]
    crops: list[Crop]


class Follower:
    """Finds the faces of frames that come in order of time."""

    def __init__(self, detector: Detector, cut: Cut) -> None:
        self._detector = detector
        self._cut = cut
        self._last: Seen | None = None
        self._waiting: list[Frame] = []
        self._is_steady = False
        self._num_empty = 0

    def take(self, frame: Frame, *, must_look: bool) -> list[Seen]:
        """Takes the next frame.

        Args:
            frame: it may have to wait for the next that is looked at, whose faces tell where its own are.
            must_look: it is looked at; so is any other while faces come, go or run.

        Returns:
            The frames whose faces are known by now and were not yet told, in order of time.
        """
        if not must_look and self._can_wait(frame):
            self._waiting.append(frame)
            return []
        seen = self._look(frame, self._last)
        between = self._between(self._last, self._waiting, seen) if self._last else []
        before = between[-1] if between else self._last
        self._is_steady = before is not None and bool(tracks.pairs_to_follow(before.faces, seen.faces))
        self._last, self._waiting = seen, []
        return [*between, seen]

    def rest(self) -> list[Seen]:
        """Returns the frames that are still waiting."""
        seen = []
        for frame in self._waiting:
            self._last = self._look(frame, self._last)
            seen.append(self._last)
        self._waiting = []
        return seen

    def _can_wait(self, frame: Frame) -> bool:
        # In a crowd that walks by a frame that waited is looked at in the end, when the caches have forgotten it.
        if self._last is None or not self._is_steady or len(self._waiting) == _MOST_WAITING:
            return False
        return frame.timestamp_us - self._last.frame.timestamp_us <= _WAITS_FOR_US

    def _between(self, before: Seen, waiting: list[Frame], after: Seen) -> list[Seen]:
        """The faces of frames between two that were looked at."""
        if not waiting:
            return []
        followed = self._followed(before, waiting, after)
        if followed is not None:
            return followed
        middle = len(waiting) // 2
        seen = self._look(waiting[middle], before)
        return [
            *self._between(before, waiting[:middle], seen),
            seen,
            *self._between(seen, waiting[middle + 1 :], after),
        ]

    def _followed(self, before: Seen, waiting: list[Frame], after: Seen) -> list[Seen] | None:
        """The faces on straight lines; None if they did not go there."""
        pairs = tracks.pairs_to_follow(before.faces, after.faces)
        if not pairs or after.frame.timestamp_us - before.frame.timestamp_us > _WAITS_FOR_US:
            return None
        ends = [(before.crops[one].look, after.crops[other].look) for one, other in pairs]
        found = []
        for frame in waiting:
            share = (frame.index - before.frame.index) / (after.frame.index - before.frame.index)
            faces = [tracks.between(before.faces[one], after.faces[other], share) for one, other in pairs]
            crops = []
            for face, (first, last) in zip(faces, ends, strict=True):
                crops.append(self._cut(frame, face))
                if min(tracks.alike(crops[-1].look, first), tracks.alike(crops[-1].look, last)) < _LEAST_ALIKE:
                    return None
            found.append(Seen(frame, faces, crops))
        return found

    def _look(self, frame: Frame, before: Seen | None) -> Seen:
        is_known = before is not None and frame.timestamp_us - before.frame.timestamp_us <= _KNOWN_FOR_US
        # Where there was no face for a while, the closest look, which takes longest, is taken now and then only.
        closely = self._num_empty < _LOOKED_AT_CLOSELY or self._num_empty % _LOOKED_AT_CLOSELY == 0
        known = before.faces if before is not None and is_known else []
        faces = self._detector.detect(frame, known=known, closely=closely)
        self._num_empty = 0 if faces else self._num_empty + 1
        return Seen(frame, faces, [self._cut(frame, one) for one in faces])
