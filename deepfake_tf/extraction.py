"""From a video file to clips: the one function that training, evaluation, the gateway and `predict` all call."""

import dataclasses
import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepfake_tf import clips, crops, plain, tracks
from deepfake_tf.decoding.frames import Frame
from deepfake_tf.decoding.picture_files import holds_pictures
from deepfake_tf.decoding.picture_folder import PictureFolder
from deepfake_tf.decoding.video import Video, VideoInfo
from deepfake_tf.errors import (
    ConfigError,
    DecodeError,
    NoFaceError,
    TooLargeError,
    VideoError,
    VideoTimeoutError,
    WorkerError,
    WorkerTimeoutError,
)
from deepfake_tf.faces import Detection, Detector, open_detector
from deepfake_tf.following import Follower, Seen
from deepfake_tf.schema import NUM_KEYPOINTS, Clip, ClipSpec, Limits, Outcome
from deepfake_tf.workers import WorkerPool

Progress = Callable[[str, float], None]
"""Takes the name of a stage and the share of it that is done, in [0, 1]."""

# Containers round the times of frames, to a millisecond at worst.
_SAME_TIME_US = 2_000
# So many crops of a track that was never sure are looked at again.
_LOOKED_AT_CLOSER = 3


@plain.travels
@dataclass(frozen=True)
class Extraction:
    """What became of one video.

    Attributes:
        outcome: OK if there are clips.
        reason: one sentence on why there are none, or on what is wrong with a video that gave clips nevertheless.
        clips: by track, the most prominent first, then by time.
        video: what the file holds, None if it could not be opened.
        num_frames_sampled: frames that were looked at.
        num_frames_with_face: frames among them with a face that was kept.
        timing_ms: wall-clock time by stage.
    """

    outcome: Outcome
    reason: str
    clips: tuple[Clip, ...]
    video: VideoInfo | None
    num_frames_sampled: int
    num_frames_with_face: int
    timing_ms: dict[str, float]

    @property
    def coverage(self) -> float:
        """Share of the sampled frames with a face that was kept, in [0, 1]."""
        return self.num_frames_with_face / self.num_frames_sampled if self.num_frames_sampled else 0.0


def extract(
    path: Path | str,
    spec: ClipSpec,
    *,
    limits: Limits | None = None,
    on_progress: Progress | None = None,
    original: Path | None = None,
) -> Extraction:
    """Turns a video into clips, in this process.

    Args:
        path: the file, or a folder of pictures.
        spec: how the clips are made.
        limits: on what the video may cost. Here the time is looked at between frames, and the memory is not bounded;
            `extract_bounded` holds both whatever happens.
        on_progress: is told how far it is.
        original: the real video that a fake was made from: where both have the same size and the same frames, its
            faces are used, so that a pair's crops show the same place; elsewhere the fake's own.

    Returns:
        The clips, or why there are none: whatever is wrong with the video is in the outcome, not an exception.

    Raises:
        ConfigError: there is no such file.
        AssetError: the face detector's weights are not there.
    """
    path = Path(path)
    if not (path.is_file() or (path.is_dir() and holds_pictures(path))):
        raise ConfigError(f"There is no such video file. Received: {path}")
    return _Run(path, spec, limits or Limits(), on_progress or (lambda stage, share: None), original).extraction()


def extract_bounded(
    pool: WorkerPool,
    path: Path | str,
    spec: ClipSpec,
    *,
    limits: Limits | None = None,
    on_progress: Progress | None = None,
    original: Path | None = None,
) -> Extraction:
    """Does what `extract` does in a worker process, and waits for it; a crash or a hang costs this video only.

    Args:
        pool: does the work.
        path: the file.
        spec: how the clips are made.
        limits: on what the video may cost.
        on_progress: is told how far it is, on a thread of the pool.
        original: the real video that a fake was made from, whose faces are used where they can be.

    Returns:
        The clips, or why there are none: UNREADABLE if the worker died of it, TIMEOUT if it was stopped.

    Raises:
        ConfigError: there is no such file.
        AssetError: the face detector's weights are not there.
        WorkerStartError: no worker could be started, which says nothing of the video.
    """
    try:
        return submit_extraction(pool, path, spec, limits=limits, on_progress=on_progress, original=original).result()
    except WorkerError as error:
        return stopped(error)


def submit_extraction(
    pool: WorkerPool,
    path: Path | str,
    spec: ClipSpec,
    *,
    limits: Limits | None = None,
    on_progress: Progress | None = None,
    original: Path | None = None,
) -> "Future[Extraction]":
    """Does what `extract_bounded` does without waiting.

    Returns:
        The extraction to come. Where it raises WorkerError, `stopped` says what that means for the video; `cancel`
        stops the work.
    """
    limits = limits or Limits()
    return pool.submit(_extract_in_worker, str(path), spec, limits, original, limits=limits, on_progress=on_progress)


def stopped(error: WorkerError) -> Extraction:
    """Returns what it means for a video that the worker did not bring its clips back."""
    outcome = Outcome.TIMEOUT if isinstance(error, WorkerTimeoutError) else Outcome.UNREADABLE
    return Extraction(outcome, f"Extraction was stopped. {error}", (), None, 0, 0, {})


def warm_up(spec: ClipSpec) -> None:
    """Loads the face detector of a spec into this process: `functools.partial(warm_up, spec)` initialises a worker."""
    _detector(spec)


def _extract_in_worker(
    path: str, spec: ClipSpec, limits: Limits, original: Path | None, on_progress: Progress | None = None
) -> Extraction:
    return extract(path, spec, limits=limits, on_progress=on_progress, original=original)


@functools.cache
def _detector(spec: ClipSpec) -> Detector:
    """One detector for each setting and process: loading it takes as long as a short video."""
    return open_detector(spec)


def place_clips(video: Video | PictureFolder, spec: ClipSpec) -> list[clips.ClipIndices]:
    """Returns the frames of every clip of a video, those without a face too."""
    timeline = video.timeline
    return clips.place_clips(len(timeline), spec, timeline.is_reference.tolist(), timeline.is_key.tolist())


def _are_in_step(video: Video | PictureFolder, other: Video | PictureFolder) -> bool:
    """Whether two videos have frames of one size at the same times."""
    sizes = [(one.info.width, one.info.height, len(one.timeline)) for one in (video, other)]
    return sizes[0] == sizes[1] and all(
        abs(video.timeline.timestamp_us(index) - other.timeline.timestamp_us(index)) <= _SAME_TIME_US
        for index in range(len(video.timeline))
    )


class _Run:
    """The extraction of one video, with what it has found so far."""

    def __init__(
        self, path: Path, spec: ClipSpec, limits: Limits, on_progress: Progress, original: Path | None = None
    ) -> None:
        self._path, self._spec, self._limits, self._on_progress = path, spec, limits, on_progress
        self._original = original
        self._deadline = time.monotonic() + limits.time_limit_sec
        self._timing_ms: dict[str, float] = defaultdict(float)
        self._linker = tracks.TrackLinker()
        self._crops: dict[tuple[int, int], crops.Crop] = {}
        self._timestamps_us: dict[int, int] = {}
        self._info: VideoInfo | None = None
        self._num_with_face = 0
        self._damage: list[str] = []

    def extraction(self) -> Extraction:
        """Does the work."""
        detector = _detector(self._spec)
        try:
            found = self._clips(detector)
        except VideoError as error:
            return self._result(Outcome(error.outcome), "; ".join([str(error).rstrip("."), *self._damage]) + ".", ())
        return self._result(Outcome.OK, "; ".join(self._damage), found)

    def _result(self, outcome: Outcome, reason: str, found: tuple[Clip, ...]) -> Extraction:
        return Extraction(
            outcome=outcome,
            reason=reason,
            clips=found,
            video=self._info,
            num_frames_sampled=len(self._timestamps_us),
            num_frames_with_face=self._num_with_face,
            timing_ms=dict(self._timing_ms),
        )

    def _clips(self, detector: Detector) -> tuple[Clip, ...]:
        with self._timed("probe"):
            video = self._open()
        placed = place_clips(video, self._spec)
        known = self._tracks_of_original(video, placed, detector)
        if known is None:
            self._find(video, placed, detector)
        else:
            self._linker.tracks = known
            for frame in self._decoded(video, placed):
                self._keep_known(frame)
        if video.num_damaged_packets:
            self._damage.append(f"packets of the file that are damaged: {video.num_damaged_packets}")
        return self._made(placed, num_wanted=len({index for clip in placed for index in clip}))

    def _open(self) -> Video | PictureFolder:
        opened = PictureFolder if self._path.is_dir() else Video
        video = opened(self._path, limits=self._limits, check=self._check_time)
        self._info = video.info
        self._damage += [video.info.damage] if video.info.damage else []
        return video

    def _find(self, video: Video | PictureFolder, placed: list[clips.ClipIndices], detector: Detector) -> None:
        """Finds the faces of the frames, follows them and cuts them out."""
        look_at = clips.frames_to_look_at(placed, self._spec.detect_every)
        follower = Follower(detector, self._cut)
        for frame in self._decoded(video, placed):
            with self._timed("faces"):
                self._keep(follower.take(frame, must_look=frame.index in look_at))
        with self._timed("faces"):
            self._keep(follower.rest())

    def _tracks_of_original(
        self, video: Video | PictureFolder, placed: list[clips.ClipIndices], detector: Detector
    ) -> list[tracks.Track] | None:
        """The faces of the real video at the same frames; None if there is none, or if its frames are others."""
        if self._original is None or not self._original.exists():
            return None
        run = _Run(self._original, self._spec, self._limits, lambda stage, share: None)
        run._deadline = self._deadline
        try:
            original = run._open()
            if not _are_in_step(video, original):
                return None
            run._find(original, placed, detector)
        except VideoTimeoutError:
            raise
        except VideoError:
            return None
        return run._linker.tracks or None

    def _cut(self, frame: Frame, detection: Detection) -> crops.Crop:
        with self._timed("crops"):
            return crops.cut_crop(frame, detection, self._spec)

    def _keep(self, found: list[Seen]) -> None:
        """Links the faces to tracks, and keeps their crops: frames are too large to be kept."""
        for seen in found:
            index, timestamp_us = seen.frame.index, seen.frame.timestamp_us
            numbers = self._linker.add(index, timestamp_us, seen.faces, [one.look for one in seen.crops])
            self._crops |= {(track, index): crop for track, crop in zip(numbers, seen.crops, strict=True)}
            self._timestamps_us[index] = timestamp_us
            if len(self._linker.tracks) > self._limits.max_faces:
                raise TooLargeError(f"More than {self._limits.max_faces} faces come and go in it, which is the limit.")

    def _keep_known(self, frame: Frame) -> None:
        """Cuts out the faces that are known to be in a frame."""
        for number, track in enumerate(self._linker.tracks):
            if frame.index in track.detections:
                self._crops[number, frame.index] = self._cut(frame, track.detections[frame.index])
        self._timestamps_us[frame.index] = frame.timestamp_us

    def _made(self, placed: list[clips.ClipIndices], *, num_wanted: int) -> tuple[Clip, ...]:
        num_sampled = len(self._timestamps_us)
        if num_sampled == 0:
            raise DecodeError(f"None of the {num_wanted} frames that were tried could be decoded.")
        if num_sampled < num_wanted:
            self._damage.append(f"{num_wanted - num_sampled} of {num_wanted} frames could not be decoded")
        found = self._linker.tracks
        kept = tracks.tracks_to_keep(
            found,
            num_frames_sampled=num_sampled,
            max_tracks=self._spec.max_tracks,
            min_confidence=self._spec.min_confidence,
            look_closer=self._look_closer,
        )
        if not kept:
            but = (
                f"; what looked like one in {len(self._crops)} of them did not last or was never sure"
                if self._crops
                else ""
            )
            raise NoFaceError(f"No face was found in {num_sampled} sampled frames{but}.")
        self._num_with_face = len({index for track in kept for index in found[track].detections})
        made = [
            self._clip(rank, track, number, indices)
            for rank, track in enumerate(kept)
            for number, indices in enumerate(placed)
        ]
        return tuple(clip for clip in made if clip.mask.any())

    def _look_closer(self, number: int) -> float:
        """How sure another look at the best crops of a track is."""
        found = self._linker.tracks[number].detections
        best = sorted(found, key=lambda index: -found[index].confidence)[:_LOOKED_AT_CLOSER]
        look = _detector(self._spec).look_closer
        return max(look(crops.decode_jpeg(self._crops[number, index].jpeg)) for index in best)

    def _clip(self, rank: int, track: int, number: int, indices: clips.ClipIndices) -> Clip:
        num_frames = self._spec.num_frames
        clip = Clip(
            clip_id=f"{rank}/{number}",
            track_id=rank,
            crops=(crops.blank_crop(self._spec),) * num_frames,
            mask=np.zeros(num_frames, bool),
            timestamps_us=np.zeros(num_frames, np.int64),
            frame_indices=np.zeros(num_frames, np.int64),
            boxes_xyxy_px=np.zeros((num_frames, 4), np.float32),
            keypoints_crop_px=np.zeros((num_frames, NUM_KEYPOINTS, 2), np.float32),
            confidences=np.zeros(num_frames, np.float32),
            sharpness=np.zeros(num_frames, np.float32),
        )
        found = list(clip.crops)
        detections = self._linker.tracks[track].detections
        for position, index in enumerate(indices):
            if index not in detections:
                continue
            crop = self._crops[track, index]
            found[position] = crop.jpeg
            clip.mask[position] = True
            clip.timestamps_us[position] = self._timestamps_us[index]
            clip.frame_indices[position] = index
            clip.boxes_xyxy_px[position] = detections[index].box_xyxy_px
            clip.keypoints_crop_px[position] = crop.keypoints_px
            clip.confidences[position] = detections[index].confidence
            clip.sharpness[position] = crop.sharpness
        return dataclasses.replace(clip, crops=tuple(found))

    def _decoded(self, video: Video | PictureFolder, placed: list[clips.ClipIndices]) -> Iterator[Frame]:
        wanted = sorted({index for clip in placed for index in clip})
        frames = video.frames(wanted)
        number = 0
        while True:
            with self._timed("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            self._info = video.info
            yield frame
            number += 1
            self._on_progress("faces", number / len(wanted))

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise VideoTimeoutError(f"Extraction took longer than {self._limits.time_limit_sec:g} s.")

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Counts the time to a stage, without that of stages inside it."""
        begin, inside = time.perf_counter(), sum(self._timing_ms.values())
        try:
            yield
        finally:
            inside = sum(self._timing_ms.values()) - inside
            self._timing_ms[stage] += (time.perf_counter() - begin) * 1000 - inside
