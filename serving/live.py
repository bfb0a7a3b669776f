"""What is being filmed: pictures or short pieces of video come up, a verdict on the newest of them goes down.

    pictures --gathered into a clip's worth--> piece --extraction in a worker--> clips --model--> logits
    newest pieces --joined and calibrated as the clips of a video--> verdict

A piece is extracted by the model's own ClipSpec, and as many pieces are kept as a video has clips: so a rolling verdict
rests on as much as a video's.
"""

import asyncio
import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import clips as clip_indices
from deepfake_tf import extraction, jpeg_stream
from deepfake_tf.detector import Detector
from deepfake_tf.errors import ConfigError, RequestError, WorkerError
from deepfake_tf.extraction import Extraction
from deepfake_tf.judging import verdict
from deepfake_tf.judging.verdict import Verdict
from deepfake_tf.schema import Clip, ClipSpec, Outcome, ServableSpec
from serving.protos.deepfake.v1 import detection_pb2
from serving.upload import nameless_file

MAX_PIECE_BYTES = 32 * 1024**2
MAX_TIME_US = 2**52
USUAL_STEP_US = 40_000
"""Between pictures that do not say when they were taken."""

_SAME_FACE_OVERLAP = 0.3
_MANY_PIECES = 8


@dataclass(frozen=True)
class _Piece:
    extraction: Extraction
    logits: NDArray[np.float32]
    end_us: int


class Live:
    """One live stream."""

    def __init__(self, detector: Detector, *, request_id: str, folder: Path | None) -> None:
        """Makes an empty one.

        Args:
            detector: whose model judges, and whose pool does the work.
            request_id: is repeated in the verdicts.
            folder: on which file system pieces lie while they are worked on.
        """
        if detector.pool is None:
            raise ConfigError("A live stream needs a pool of worker processes.")
        self._detector, self._pool = detector, detector.pool
        self._request_id = request_id
        self._folder = folder
        self._pictures: list[bytes] = []
        self._times_us: list[int] = []
        self._last_us = -1
        self._kind = ""
        self._end_us = 0
        self._spec: ServableSpec | None = None
        self._pieces: collections.deque[_Piece] = collections.deque()
        self._faces = _Faces()

    @property
    def until_sec(self) -> float:
        """Up to where the stream has been judged."""
        return self._end_us / 1e6

    async def take(self, request: detection_pb2.AnalyzeLiveRequest) -> Verdict | None:
        """Takes a picture or a piece; returns the verdict if there is a new one.

        Raises:
            RequestError: it is neither, or does not follow on what came before.
            PredictorError: the model does not answer.
        """
        kind = request.WhichOneof("part")
        if kind not in ("frame", "segment"):
            raise RequestError("Each message after the first must hold a frame or a segment.")
        if kind != (self._kind or kind):
            raise RequestError("A live stream is made of frames or of segments, not of both.")
        self._kind = kind
        if kind == "segment":
            return await self._take_segment(request.segment)
        self._add(request.frame)
        spec = await self._newest_spec()
        return await self._judge_pictures(spec) if len(self._pictures) >= piece_frames(spec.clip_spec) else None

    async def rest(self) -> Verdict | None:
        """Judges the pictures that are left at the end of the stream; None if there are none."""
        return await self._judge_pictures(await self._newest_spec()) if self._pictures else None

    def _add(self, frame: detection_pb2.LiveFrame) -> None:
        usual_us = self._last_us + USUAL_STEP_US if self._last_us >= 0 else 0
        time_us = frame.timestamp_us if frame.HasField("timestamp_us") else usual_us
        if not self._last_us < time_us < MAX_TIME_US:
            raise RequestError(f"frame.timestamp_us must rise from 0. Received: {time_us} after {self._last_us}")
        if not frame.image:
            raise RequestError("frame.image must hold a JPEG file.")
        if sum(map(len, self._pictures)) + len(frame.image) > MAX_PIECE_BYTES:
            raise RequestError(f"The pictures of one clip may have {MAX_PIECE_BYTES} bytes. Send smaller ones.")
        self._pictures.append(frame.image)
        self._times_us.append(time_us)
        self._last_us = time_us

    async def _judge_pictures(self, spec: ServableSpec) -> Verdict:
        pictures, times_us = self._pictures, self._times_us
        self._pictures, self._times_us = [], []
        future = jpeg_stream.submit_pictures(self._pool, pictures, times_us, spec.clip_spec, self._detector.limits)
        try:
            found = await asyncio.wrap_future(future)
        except WorkerError as error:
            found = extraction.stopped(error)
        return await self._judged(found, spec, times_us[0], times_us[-1])

    async def _take_segment(self, data: bytes) -> Verdict:
        spec = await self._newest_spec()
        file, path = nameless_file(self._folder)
        with file:
            await asyncio.to_thread(file.write, data)
            future = extraction.submit_extraction(self._pool, path, spec.clip_spec, limits=self._detector.limits)
            try:
                found = await asyncio.wrap_future(future)
            except WorkerError as error:
                found = extraction.stopped(error)
        found = replace(found, reason=found.reason.removeprefix(f"{path.name} "))
        begin_us = self._end_us
        length_sec = found.video.duration_sec if found.video else 0.0
        return await self._judged(found, spec, begin_us, begin_us + round(length_sec * 1e6))

    async def _newest_spec(self) -> ServableSpec:
        """Asks the model at the begin of each piece; another one starts anew, as logits of two do not mix."""
        if self._pictures[1:] and self._spec is not None:
            return self._spec
        spec = await asyncio.to_thread(self._detector.predictor.spec)
        if spec != self._spec:
            self._spec, self._faces = spec, _Faces()
            keep = _MANY_PIECES if spec.clip_spec.placement == "all" else spec.clip_spec.clips_per_video
            self._pieces = collections.deque(maxlen=keep)
        return spec

    async def _judged(self, found: Extraction, spec: ServableSpec, begin_us: int, end_us: int) -> Verdict:
        linked = self._faces.linked(found.clips)
        shifted = tuple(replace(clip, timestamps_us=clip.timestamps_us + begin_us) for clip in linked)
        found = replace(found, clips=shifted)
        logits = await asyncio.to_thread(self._detector.logits, found.clips, spec)
        self._pieces.append(_Piece(found, logits, end_us))
        self._end_us = end_us
        return verdict.decide(
            joined([piece.extraction for piece in self._pieces]),
            np.concatenate([piece.logits for piece in self._pieces]),
            spec,
            request_id=self._request_id,
        )


class _Faces:
    """Numbers the faces of a stream: one that is where a face of the last piece was is that face."""

    def __init__(self) -> None:
        self._boxes: dict[int, NDArray[np.float32]] = {}
        self._num_faces = 0

    def linked(self, found: Sequence[Clip]) -> list[Clip]:
        """Returns a piece's clips with the stream's numbers of their faces."""
        first: dict[int, NDArray[np.float32]] = {}
        last: dict[int, NDArray[np.float32]] = {}
        for clip in found:
            boxes = clip.boxes_xyxy_px[clip.mask]
            first.setdefault(clip.track_id, boxes[0])
            last[clip.track_id] = boxes[-1]
        numbers = self._numbers(first)
        self._boxes |= {numbers[track]: box for track, box in last.items()}
        return [replace(clip, track_id=numbers[clip.track_id]) for clip in found]

    def _numbers(self, first: Mapping[int, NDArray[np.float32]]) -> dict[int, int]:
        numbers: dict[int, int] = {}
        free = dict(self._boxes)
        for track, box in first.items():
            number = max(free, key=lambda one: overlap(free[one], box), default=None)
            if number is None or overlap(free[number], box) < _SAME_FACE_OVERLAP:
                number = self._num_faces
                self._num_faces += 1
            free.pop(number, None)
            numbers[track] = number
        return numbers


def piece_frames(spec: ClipSpec) -> int:
    """Returns how many pictures make one clip of a spec."""
    return spec.num_frames if spec.placement == "spread" else clip_indices.span(spec)


def joined(found: Sequence[Extraction]) -> Extraction:
    """Returns the extractions of several pieces, one or more, as if they were one video's."""
    judged = [one for one in found if one.outcome == Outcome.OK]
    newest = judged[-1] if judged else found[-1]
    return replace(
        newest,
        clips=tuple(clip for one in judged for clip in one.clips),
        num_frames_sampled=sum(one.num_frames_sampled for one in found),
        num_frames_with_face=sum(one.num_frames_with_face for one in found),
    )


def overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Returns the intersection over union of two boxes (x0, y0, x1, y1)."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    whole = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - common
    return common / whole if whole > 0 else 0.0
