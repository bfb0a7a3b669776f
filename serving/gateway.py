"""The gateway's service: a video streams in, progress and a verdict stream out. Behind it is `Detector.judge`.

    messages --upload--> temporary file --Detector in a thread, extraction in a worker process--> verdict

Nothing blocks the event loop, and nothing of an upload outlives its call.
"""

import asyncio
import contextlib
import functools
import logging
import math
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf import json_format

from deepfake_tf.detector import Detector
from deepfake_tf.errors import RequestError
from deepfake_tf.judging.verdict import Verdict
from deepfake_tf.workers import WorkerPool
from serving import status
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from serving.upload import Upload, read_options, readable

log = logging.getLogger("serving.gateway")

PROGRESS_INTERVAL_SEC = 0.1
UPLOAD_STAGE = "upload"
# What is left of the caller's deadline when ours ends, so that the caller still hears why.
DEADLINE_MARGIN_SEC = 0.2


class Gateway(detection_pb2_grpc.DetectionServiceServicer):
    """Answers the calls of deepfake.v1.DetectionService; those that are not here answer UNIMPLEMENTED."""

    def __init__(self, detector: Detector, *, folder: Path, deadline_sec: float, num_threads: int) -> None:
        """Makes the service.

        Args:
            detector: judges; its pool turns videos into clips, its limits hold for uploads too.
            folder: where uploads lie while they are worked on.
            deadline_sec: how long a call may take, whatever its caller allows.
            num_threads: videos judged at a time; further ones wait.
        """
        self._detector = detector
        self._folder = folder
        self._deadline_sec = deadline_sec
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="judge")

    async def Analyze(
        self, request_iterator: AsyncIterator[detection_pb2.AnalyzeRequest], context: grpc.aio.ServicerContext
    ) -> None:
        """Judges one video; an error becomes a status by the table of status.py."""
        call = _Call()
        left = context.time_remaining()
        limit = self._deadline_sec if left is None else min(self._deadline_sec, left - DEADLINE_MARGIN_SEC)
        call.end = call.begin + limit
        try:
            async with asyncio.timeout(limit):
                await self._analyze(readable(request_iterator), context, call)
        except asyncio.CancelledError:
            call.log_end("CANCELLED")
            raise
        except Exception as error:
            ended = status.of(error)
            call.log_end(ended.code.name, error)
            await context.abort(ended.code, ended.message)
        else:
            call.log_end("OK")
        finally:
            call.cancel()

    def close(self) -> None:
        """Lets go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _analyze(
        self, requests: AsyncIterator[detection_pb2.AnalyzeRequest], context: grpc.aio.ServicerContext, call: "_Call"
    ) -> None:
        options = await read_options(requests)
        limits = self._detector.limits
        with Upload(options, max_bytes=limits.max_bytes, folder=self._folder) as upload:
            call.request_id = upload.request_id
            async for request in requests:
                # Writing and hashing leave the event loop to the other calls.
                await asyncio.to_thread(upload.add, request)
            received = await asyncio.to_thread(upload.finish)
            call.num_bytes = upload.num_bytes
            call.upload_sec = time.monotonic() - call.begin
            await context.write(detection_pb2.AnalyzeEvent(received=received))
            verdict = await self._judge(upload, context, call)
        # The temporary file's name means nothing to the caller.
        reason = verdict.reason.replace(str(upload.path), "the video").replace(upload.path.name, "the video")
        timing_ms = {UPLOAD_STAGE: call.upload_sec * 1000, **verdict.timing_ms}
        verdict = replace(verdict, reason=reason, timing_ms=timing_ms)
        call.verdict = str(verdict.verdict)
        await context.write(detection_pb2.AnalyzeEvent(verdict=to_message(verdict)))

    async def _judge(self, upload: Upload, context: grpc.aio.ServicerContext, call: "_Call") -> Verdict:
        loop = asyncio.get_running_loop()
        latest = _Latest(loop)
        call.pool = self._detector.pool
        detector = replace(self._detector, pool=cast(WorkerPool, call) if call.pool else None)
        judge = functools.partial(
            detector.judge,
            upload.path,
            on_progress=latest.put,
            deadline_sec=call.end - time.monotonic(),
            request_id=upload.request_id,
        )
        work = loop.run_in_executor(self._threads, judge)
        # Nobody may be left to fetch the exception of cancelled work.
        work.add_done_callback(lambda done: done.cancelled() or done.exception())
        while not work.done():
            await asyncio.wait([work], timeout=PROGRESS_INTERVAL_SEC)
            for stage, share in latest.take():
                progress = detection_pb2.Progress(stage=stage, fraction=share)
                await context.write(detection_pb2.AnalyzeEvent(progress=progress))
        return await work


@dataclass
class _Call:
    """What is known of one call, and the worker pool as the call sees it: what it submitted ends with it."""

    request_id: str = "-"
    num_bytes: int = 0
    upload_sec: float = 0.0
    verdict: str = "-"
    pool: WorkerPool | None = None
    begin: float = field(default_factory=time.monotonic)
    end: float = math.inf
    _futures: list[Future[Any]] = field(default_factory=list)
    _is_cancelled: bool = False

    def submit(self, *args: Any, **settings: Any) -> Future[Any]:
        """Submits to the pool."""
        if self.pool is None:
            raise ValueError("this call has no worker pool")
        future = self.pool.submit(*args, **settings)
        self._futures.append(future)
        if self._is_cancelled:
            future.cancel()
        return future

    def cancel(self) -> None:
        """Stops what was submitted and is not done."""
        self._is_cancelled = True
        for future in self._futures:
            future.cancel()

    def log_end(self, code: str, error: Exception | None = None) -> None:
        """Logs how the call ended: no name, no content, no score."""
        line = "analyze request=%s code=%s verdict=%s bytes=%d upload_ms=%.0f total_ms=%.0f"
        total_ms = (time.monotonic() - self.begin) * 1000
        values = (self.request_id, code, self.verdict, self.num_bytes, self.upload_sec * 1000, total_ms)
        if error is None or isinstance(error, (RequestError, TimeoutError)):
            log.info(line, *values)
        else:
            log.warning(line + " error=%r", *values, error, exc_info=error if code == "INTERNAL" else None)


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
