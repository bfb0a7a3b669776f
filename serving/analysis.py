"""From an upload to a verdict, whatever way it came: `Detector.judge` in a thread, extraction in a worker process.

Nothing here blocks the event loop; who stops waiting stops the work.
"""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from google.protobuf import json_format

from deepfake_tf.detector import Detector
from deepfake_tf.judging.verdict import Verdict
from deepfake_tf.predictors import Predictor
from deepfake_tf.workers import WorkerPool
from serving.call_record import CallRecord
from serving.early_look import EarlyLook
from serving.live import Live
from serving.protos.deepfake.v1 import detection_pb2
from serving.upload import Upload

PROGRESS_INTERVAL_SEC = 0.1
UPLOAD_STAGE = "upload"

Tell = Callable[[str, float], Awaitable[None]]
"""Takes the name of a stage and the share of it that is done, in [0, 1]."""


class Analysis:
    """Judges uploads, several at a time."""

    def __init__(
        self,
        detector: Detector,
        *,
        num_threads: int,
        predictor_for: Callable[[str], Predictor] | None = None,
    ) -> None:
        """Makes the threads.

        Args:
            detector: judges; its pool turns videos into clips.
            num_threads: videos judged at a time; further ones wait.
            predictor_for: chooses the model for a request's id; the detector's own if None.
        """
        self.limits = detector.limits
        self._detector = detector
        self._predictor_for = predictor_for or (lambda request_id: detector.predictor)
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="judge")

    async def judge(self, upload: Upload, record: CallRecord, tell: Tell, *, deadline_sec: float) -> Verdict:
        """Judges an upload that is there whole.

        Args:
            upload: the video.
            record: of the call; learns the verdict.
            tell: is told how far the analysis is, while it is waited for.
            deadline_sec: how long it may take.

        Raises:
            DeepfakeError: as `Detector.judge`.
        """
        tasks = _OwnTasks(self._detector.pool)
        predictor = self._predictor_for(upload.request_id)
        # A pool as far as the detector needs one.
        pool = cast(WorkerPool, tasks) if self._detector.pool else None
        latest = _Latest(asyncio.get_running_loop())
        judge = functools.partial(
            replace(self._detector, pool=pool, predictor=predictor).judge,
            upload.path,
            on_progress=latest.put,
            deadline_sec=deadline_sec,
            request_id=upload.request_id,
        )
        try:
            verdict = await self._watched(judge, latest, tell)
        finally:
            tasks.cancel()
        timing_ms = {UPLOAD_STAGE: record.upload_sec * 1000, **verdict.timing_ms}
        record.verdict = replace(verdict, reason=upload.without_path(verdict.reason), timing_ms=timing_ms)
        return record.verdict

    def early_look(self, upload: Upload) -> EarlyLook:
        """Returns what watches an upload as it grows."""
        return EarlyLook(self._detector.pool, upload.path, self.limits)

    def live(self, request_id: str, folder: Path | None) -> Live:
        """Returns an empty live stream."""
        predictor = self._predictor_for(request_id)
        return Live(replace(self._detector, predictor=predictor), request_id=request_id, folder=folder)

    def close(self) -> None:
        """Lets go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _watched(self, judge: Callable[[], Verdict], latest: "_Latest", tell: Tell) -> Verdict:
        work = asyncio.get_running_loop().run_in_executor(self._threads, judge)
        # Nobody may be left to fetch the exception of cancelled work.
        work.add_done_callback(lambda done: done.cancelled() or done.exception())
        while not work.done():
            await asyncio.wait([work], timeout=PROGRESS_INTERVAL_SEC)
            for stage, share in latest.take():
                await tell(stage, share)
        return await work


class _OwnTasks:
    """The worker pool as one video sees it: what it submitted ends with it."""

    def __init__(self, pool: WorkerPool | None) -> None:
        self._pool = pool
        self._futures: list[Future[Any]] = []
        self._is_cancelled = False

    def submit(self, *args: Any, **settings: Any) -> Future[Any]:
        """Submits to the pool."""
        if self._pool is None:
            raise ValueError("this video has no worker pool")
        future = self._pool.submit(*args, **settings)
        self._futures.append(future)
        if self._is_cancelled:
            future.cancel()
        return future

    def cancel(self) -> None:
        """Stops what was submitted and is not done."""
        self._is_cancelled = True
        for future in self._futures:
            future.cancel()


class _Latest:
    """The newest progress of each stage since it was last taken: a slow caller must not make a queue grow."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._shares: dict[str, float] = {}

    def put(self, stage: str, share: float) -> None:
        """Tells a progress, from any thread."""
        # The loop may be gone when a cancelled video tells its last.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._shares.__setitem__, stage, share)

    def take(self) -> list[tuple[str, float]]:
        """Returns what was told since, stages in the order they were first told of."""
        taken, self._shares = list(self._shares.items()), {}
        return taken


def to_message(verdict: Verdict) -> detection_pb2.Verdict:
    """Returns the message of a verdict; its JSON is the verdict's."""
    return json_format.ParseDict(verdict.to_json(), detection_pb2.Verdict())
