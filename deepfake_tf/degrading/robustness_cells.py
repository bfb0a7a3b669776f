"""The cells of a robustness sweep: what a model says of each video after one degradation at one strength."""

import functools
import json
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic, augment, records
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.batching.frame_windows import choose_frames
from deepfake_tf.degrading.degradations import CLEAN, Degradation
from deepfake_tf.degrading.reencoding import StoredAgain, extract_shifted, extract_stored_again, shift_of
from deepfake_tf.errors import ConfigError, DataError, WorkerError
from deepfake_tf.judging import verdict
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import INPUT_CLIPS, INPUT_MASK, Clip, ClipSpec, Limits
from deepfake_tf.workers import WorkerPool

Logits = dict[str, float]
"""The joined logit of each video that could be judged, by its id."""

Task = tuple[Callable[..., tuple[Clip, ...]], tuple[Any, ...]]
Say = Callable[[float], None]
Batch = list[tuple[NDArray[np.uint8], NDArray[np.bool_]]]

_BATCH_SIZE = 16


def cell_name(degradation: Degradation | None, strength: float = 0.0) -> str:
    """Returns what a cell's file is called."""
    return f"{degradation.name}_{strength:g}" if degradation else CLEAN


class Cells:
    """Measures cells, one after the other, each once."""

    def __init__(
        self,
        model: keras.Model,
        clips: ClipTable,
        videos: Mapping[str, VideoEntry],
        *,
        joining: str,
        num_workers: int,
        seed: int,
    ) -> None:
        """Measures nothing yet.

        Args:
            model: takes {"clips", "mask"}, gives logit [B].
            clips: those of the videos, as they are.
            videos: where each video lies, by its id.
            joining: name of the rule, one of verdict.JOINING_RULES.
            num_workers: processes that store videos again.
            seed: of what is left to chance, as noise is.
        """
        self._model, self._clips, self._videos = model, clips, videos
        self._joining, self._num_workers, self._seed = joining, num_workers, seed
        self._rows: dict[str, list[int]] = {}
        for row, video_id in enumerate(clips.video_ids):
            self._rows.setdefault(video_id, []).append(row)

    def measure(
        self, folder: Path, wanted: Sequence[Degradation], tell: Callable[[int, int, str, float], None]
    ) -> dict[str, Logits]:
        """Measures what has no file yet.

        Args:
            folder: of the cells' files; it is there.
            wanted: the degradations.
            tell: takes cells done, cells in all, the name of the one at work, and the share of it that is done.

        Returns:
            The logits of each cell by its name.
        """
        cells: list[tuple[Degradation | None, float]] = [(None, 0.0)]
        cells += [(one, strength) for one in wanted for strength in one.strengths]
        found = {}
        with WorkerPool(self._num_workers) as pool, ThreadPoolExecutor(self._num_workers) as threads:
            for number, (degradation, strength) in enumerate(cells):
                name = cell_name(degradation, strength)
                say = functools.partial(tell, number, len(cells), name)
                say(0.0)
                path = folder / f"{name}.json"
                if not path.is_file():
                    if degradation is None or degradation.op is not None:
                        ops = () if degradation is None or degradation.op is None else (degradation.op(strength),)
                        logits = self._of_clips(ops, threads, say)
                    else:
                        logits = self._of_videos(degradation, strength, pool, say)
                    atomic.write_whole(path, (json.dumps(logits, indent=1) + "\n").encode())
                found[name] = _read(path)
        tell(len(cells), len(cells), "", 1.0)
        return found

    # Clips ------------------------------------------------------------------------------------------------------------

    def _of_clips(self, ops: Sequence[augment.ClipOp], threads: ThreadPoolExecutor, say: Say) -> Logits:
        logits: list[float] = []
        for begin in range(0, len(self._clips), _BATCH_SIZE):
            rows = range(begin, min(begin + _BATCH_SIZE, len(self._clips)))
            logits += self._predict(list(threads.map(functools.partial(self._changed, ops), rows)))
            say(len(logits) / len(self._clips))
        return {
            video_id: self._join([logits[row] for row in rows], self._clips.track_ids[rows].tolist())
            for video_id, rows in self._rows.items()
        }

    def _changed(self, ops: Sequence[augment.ClipOp], row: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        crops, mask, keypoints = self._clips.read_with_keypoints(row)
        seed = zlib.crc32(self._clips.example_ids[row].encode()) + self._seed
        pixels = augment.apply(ops, decode_crops(crops, mask), seed, keypoints_px=keypoints, mask=mask).copy()
        # What is not there stays blank, whatever the colours were changed to.
        pixels[~mask] = 0
        return pixels, mask

    # Videos -----------------------------------------------------------------------------------------------------------

    def _of_videos(self, degradation: Degradation, strength: float, pool: WorkerPool, say: Say) -> Logits:
        logits: Logits = {}
        tasks = ((name, *self._task(degradation, strength, number)) for number, name in enumerate(self._rows))
        for number, (video_id, future) in enumerate(_in_flight(tasks, pool, 2 * self._num_workers)):
            try:
                clips = future.result()
            except WorkerError:
                # It costs this video only, and shows as one that could not be judged.
                clips = ()
            if clips:
                found = self._predict([(decode_crops(clip.crops, clip.mask), clip.mask) for clip in clips])
                logits[video_id] = self._join(found, [clip.track_id for clip in clips])
            say((number + 1) / len(self._rows))
        return logits

    def _task(self, degradation: Degradation, strength: float, number: int) -> Task:
        video_id = list(self._rows)[number]
        path, spec, limits = str(self._videos[video_id].path), self._clips.spec, Limits()
        if degradation.name == "crop_shift":
            return extract_shifted, (path, spec, self._stored(video_id), shift_of(strength, number), limits)
        if degradation.name == "h264":
            return extract_stored_again, (path, spec, StoredAgain(rate_factor=round(strength)), limits)
        if degradation.name == "frame_rate":
            return extract_stored_again, (path, spec, StoredAgain(keep_every=round(strength)), limits)
        raise ConfigError(f"Nothing says how {degradation.name} is done to a video.")

    def _stored(self, video_id: str) -> tuple[Clip, ...]:
        clips = []
        for row in self._rows[video_id]:
            with self._clips.shard_path(row).open("rb") as file:
                file.seek(int(self._clips.offsets[row]))
                clip = records.decode_clip(file.read(int(self._clips.num_bytes[row]))).clip
            clips.append(_with_frames(clip, self._clips.spec))
        return tuple(clips)

    # Both -------------------------------------------------------------------------------------------------------------

    def _predict(self, clips: Batch) -> list[float]:
        logits: list[float] = []
        for begin in range(0, len(clips), _BATCH_SIZE):
            pixels, masks = zip(*clips[begin : begin + _BATCH_SIZE], strict=True)
            batch = {INPUT_CLIPS: np.stack(pixels), INPUT_MASK: np.stack(masks)}
            logits += np.asarray(self._model.predict_on_batch(batch), np.float64).tolist()
        return logits

    def _join(self, logits: Sequence[float], track_ids: Sequence[int]) -> float:
        return verdict.join(logits, track_ids, self._joining)[0]


def decode_crops(crops: Sequence[bytes], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Returns the pixels of a clip, uint8 [T, H, W, 3] RGB, blank where there is no crop.

    Raises:
        DataError: a crop is no JPEG.
    """
    pixels = [cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR_RGB) for crop in crops]
    if any(one is None for one in pixels):
        raise DataError("A crop is no JPEG: the shard is damaged. Extract it again.")
    clip = np.stack([np.asarray(one, np.uint8) for one in pixels])
    clip[~mask] = 0
    return clip


def _with_frames(clip: Clip, spec: ClipSpec) -> Clip:
    """A stored clip with the frames that are used of it."""
    chosen = choose_frames(clip.mask, spec.num_frames, spec.placement)
    by_frame = (
        "mask",
        "timestamps_us",
        "frame_indices",
        "boxes_xyxy_px",
        "keypoints_crop_px",
        "confidences",
        "sharpness",
    )
    arrays = {name: getattr(clip, name)[chosen] for name in by_frame}
    return replace(clip, crops=tuple(clip.crops[number] for number in chosen), **arrays)


def _in_flight(
    tasks: Iterator[tuple[str, Callable, tuple]], pool: WorkerPool, num_ahead: int
) -> Iterator[tuple[str, Future]]:
    """Yields the futures of tasks in order; only few wait at a time, because some hold the crops of their video."""
    begun: deque[tuple[str, Future]] = deque()
    for name, function, arguments in tasks:
        begun.append((name, pool.submit(function, *arguments)))
        if len(begun) >= num_ahead:
            yield begun.popleft()
    yield from begun


def _read(path: Path) -> Logits:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}). Delete it and measure again.") from error
