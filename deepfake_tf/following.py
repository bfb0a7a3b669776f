"""Where faces are in the frames of a video: looked for in some, and followed, for less, in those between."""

from deepfake_tf import tracks
from deepfake_tf.decoding.frames import Frame
from deepfake_tf.faces import Detection, Detector

Found = list[tuple[Frame, list[Detection]]]
"""Frames and their faces, in order of time."""

# So long after a frame that was looked at the faces of another one may lie on the way to the next.
_FOLLOWED_BLINDLY_US = 400_000
# So long a face is known to have been somewhere.
_KNOWN_FOR_US = 2_000_000
# So many frames without a face are looked at as closely as possible, and then one in so many.
_LOOKED_AT_CLOSELY = 4


class Follower:
    """Finds the faces of frames that come in order of time."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._looked_at: tuple[Frame, list[Detection]] | None = None
        self._waiting: list[Frame] = []
        self._num_empty = 0

    def take(self, frame: Frame, *, must_look: bool) -> Found:
        """Takes the next frame.

        Args:
            frame: it may have to wait for the next that is looked at, whose faces tell where its own are.
            must_look: all of the frame is looked at.

        Returns:
            The frames whose faces are known by now and were not yet told.
        """
        before = self._looked_at
        if not must_look and before and frame.timestamp_us - before[0].timestamp_us <= _FOLLOWED_BLINDLY_US:
            self._waiting.append(frame)
            return []
        known = self._known(frame)
        faces = self._detector.look_again(frame, known) if known and not must_look else None
        faces = self._detect(frame) if faces is None else faces
        found = [(one, self._between(one, frame, faces)) for one in self._waiting]
        self._waiting.clear()
        self._looked_at = frame, faces
        return [*found, (frame, faces)]

    def rest(self) -> Found:
        """Returns the frames that are still waiting."""
        found = [(one, self._detect(one)) for one in self._waiting]
        self._waiting.clear()
        return found

    def _between(self, one: Frame, after: Frame, faces_after: list[Detection]) -> list[Detection]:
        """The faces of a frame between two that were looked at."""
        if self._looked_at is not None:
            before, faces_before = self._looked_at
            share = (one.index - before.index) / (after.index - before.index)
            followed = tracks.follow(faces_before, faces_after, share)
            if followed is not None:
                return followed
        return self._detect(one)

    def _detect(self, frame: Frame) -> list[Detection]:
        # Where there was no face for a while, the closest look, which takes longest, is taken now and then only.
        closely = self._num_empty < _LOOKED_AT_CLOSELY or self._num_empty % _LOOKED_AT_CLOSELY == 0
        found = self._detector.detect(frame, known=self._known(frame), closely=closely)
        self._num_empty = 0 if found else self._num_empty + 1
        return found

    def _known(self, frame: Frame) -> list[Detection]:
        """The faces of the frame that was looked at last, if that is not long ago."""
        if self._looked_at is None or frame.timestamp_us - self._looked_at[0].timestamp_us > _KNOWN_FOR_US:
            return []
        return self._looked_at[1]
