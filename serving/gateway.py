"""The gateway's service: what deepfake.v1.DetectionService promises, over Analysis, Jobs and what bounds them.

    messages --upload--> nameless file --analysis--> verdict

Nothing blocks the event loop, and nothing of an upload outlives its call or its job.
"""

import asyncio
import contextlib
import functools
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from deepfake_tf.detector import Detector
from deepfake_tf.errors import GatewayStoppingError
from deepfake_tf.judging.verdict import Verdict
from deepfake_tf.predictors import Predictor
from serving import jobs, status
from serving.analysis import Analysis, Tell, to_message
from serving.call_record import CallRecord
from serving.capacity import Capacity, Place
from serving.jobs import Jobs
from serving.live import Live
from serving.monitoring import Monitoring
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from serving.upload import GO_ON_KEY, Upload, checked_id, read_options, readable, receive

# What is left of the caller's deadline when ours ends, so that the caller still hears why.
DEADLINE_MARGIN_SEC = 0.2
GO_ON = ((GO_ON_KEY, "go on"),)


@dataclass(frozen=True)
class GatewayLimits:
    """What the gateway takes on at a time, and for how long.

    Attributes:
        max_calls: videos whose callers wait for them.
        max_jobs: jobs that are known, those that have ended among them.
        max_live: live streams.
        max_stored_bytes: of all uploads together.
        upload_sec: how long an upload may take.
        live_sec: how long a live stream may go on.
        deadline_sec: how long a call, or the work on a job, may take.
    """

    max_calls: int = 32
    max_jobs: int = 256
    max_live: int = 4
    max_stored_bytes: int = 4 * 1024**3
    upload_sec: float = 300.0
    live_sec: float = 3600.0
    deadline_sec: float = 900.0


class Gateway(detection_pb2_grpc.DetectionServiceServicer):
    """Answers the calls of deepfake.v1.DetectionService; an error becomes a status by the table of status.py.

    Attributes:
        is_stopping: whether it takes on nothing more.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        limits: GatewayLimits = GatewayLimits(),
        folder: Path | None = None,
        monitoring: Monitoring | None = None,
        predictor_for: Callable[[str], Predictor] | None = None,
    ) -> None:
        """Makes the service.

        Args:
            detector: judges; its pool turns videos into clips, its limits hold for uploads too.
            limits: on what is taken on.
            folder: on which file system uploads lie while they are worked on.
            monitoring: counts calls and what became of them.
            predictor_for: chooses the model for a request's id; the detector's own if None.
        """
        num_workers = detector.pool.num_workers if detector.pool else 1
        self._limits = limits
        self._folder = folder
        self._monitoring = monitoring or Monitoring()
        self._capacity = Capacity(
            places={"call": limits.max_calls, "job": limits.max_jobs, "live": limits.max_live},
            max_bytes=limits.max_stored_bytes,
        )
        self._analysis = Analysis(detector, num_threads=limits.max_calls + num_workers, predictor_for=predictor_for)
        self._jobs = Jobs(max_jobs=limits.max_jobs, num_at_a_time=num_workers)
        self.is_stopping = False
        self._watch()

    # Calls that wait for their verdict --------------------------------------------------------------------------------

    async def Analyze(
        self, request_iterator: AsyncIterator[detection_pb2.AnalyzeRequest], context: grpc.aio.ServicerContext
    ) -> None:
        """Judges one video."""
        async with self._answering("Analyze", context) as (record, end):
            requests = readable(request_iterator)
            options = await read_options(requests)
            with self._open_upload("call", options, record) as upload:
                received = await self._receive(upload, requests, record, context)
                await context.write(detection_pb2.AnalyzeEvent(received=received))
                verdict = await self._analysis.judge(
                    upload, record, functools.partial(_write_progress, context), deadline_sec=end - time.monotonic()
                )
            await context.write(detection_pb2.AnalyzeEvent(verdict=to_message(verdict)))

    # Jobs -------------------------------------------------------------------------------------------------------------

    async def SubmitJob(
        self, request_iterator: AsyncIterator[detection_pb2.SubmitJobRequest], context: grpc.aio.ServicerContext
    ) -> detection_pb2.Job:
        """Takes a video to be judged later."""
        async with self._answering("SubmitJob", context) as (record, _):
            owner = caller_of(context)
            requests = readable(request_iterator)
            options = await read_options(requests)
            jobs.live_sec(options)
            # A caller that says what it hands in need not send it again.
            if options.video.sha256 and (job := self._jobs.find(options, options.video.sha256, owner=owner)):
                return job
            self._jobs.check_room()
            upload = self._open_upload("job", options.video, record)
            with contextlib.ExitStack() as opened:
                opened.enter_context(upload)
                await self._receive(upload, requests, record, context)
                opened.pop_all()
            return self._jobs.start(upload, options, functools.partial(self._judge_job, upload), owner=owner)

    async def GetJob(
        self, request: detection_pb2.GetJobRequest, context: grpc.aio.ServicerContext
    ) -> detection_pb2.Job:
        """Says how a job stands."""
        async with self._answering("GetJob", context):
            return self._jobs.get(request.job_id, owner=caller_of(context))

    async def WaitJob(self, request: detection_pb2.WaitJobRequest, context: grpc.aio.ServicerContext) -> None:
        """Sends the job each time it changes, until it has ended."""
        async with self._answering("WaitJob", context):
            async for job in self._jobs.wait(request.job_id, owner=caller_of(context)):
                await context.write(job)

    async def CancelJob(
        self, request: detection_pb2.CancelJobRequest, context: grpc.aio.ServicerContext
    ) -> detection_pb2.Job:
        """Stops a job."""
        async with self._answering("CancelJob", context):
            return await self._jobs.cancel(request.job_id, owner=caller_of(context))

    # What is being filmed ---------------------------------------------------------------------------------------------

    async def AnalyzeLive(
        self, request_iterator: AsyncIterator[detection_pb2.AnalyzeLiveRequest], context: grpc.aio.ServicerContext
    ) -> None:
        """Judges a stream as it comes. What comes faster than it is judged waits at the sender."""
        async with self._answering("AnalyzeLive", context, limit_sec=self._limits.live_sec) as (record, _):
            requests = readable(request_iterator)
            options = await read_options(requests)
            record.request_id = checked_id(options.request_id)
            with self._enter("live"):
                await _go_on(context)
                live = self._analysis.live(record.request_id, self._folder)
                async for request in requests:
                    record.num_bytes += request.ByteSize()
                    self._require_running()
                    await _write_live(context, live, await live.take(request), record)
                await _write_live(context, live, await live.rest(), record)

    # Its end ----------------------------------------------------------------------------------------------------------

    async def drain(self, seconds: float) -> None:
        """Takes on nothing more, and waits for the jobs to end; those that have not by then are cancelled."""
        self.is_stopping = True
        await self._jobs.drain(seconds)

    def close(self) -> None:
        """Lets go of the threads."""
        self._analysis.close()

    # What the calls share ---------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _answering(
        self, method: str, context: grpc.aio.ServicerContext, *, limit_sec: float | None = None
    ) -> AsyncIterator[tuple[CallRecord, float]]:
        """Holds a call's deadline, turns its errors into statuses and notes its end."""
        record = CallRecord(method, self._monitoring.count)
        left = context.time_remaining()
        most = limit_sec or self._limits.deadline_sec
        limit = most if left is None else min(most, left - DEADLINE_MARGIN_SEC)
        try:
            async with asyncio.timeout(limit):
                yield record, time.monotonic() + limit
        except asyncio.CancelledError:
            record.end("CANCELLED")
            raise
        except Exception as error:
            ended = status.of(error)
            record.end(ended.code.name, error)
            # An abort would raise an error that knows the call that knows the error: with the frames that it has
            # passed, and what came of the upload, they would stay until Python looks for such circles.
            context.set_code(ended.code)
            context.set_details(ended.message)
            context.set_trailing_metadata(ended.metadata)
        else:
            record.end("OK")

    def _watch(self) -> None:
        watch, capacity = self._monitoring.watch, self._capacity
        watch("videos_waited_for", "Videos whose callers wait.", lambda: capacity.num_taken("call"))
        watch("live_streams", "Live streams.", lambda: capacity.num_taken("live"))
        watch("jobs_unfinished", "Jobs that are queued or running.", lambda: self._jobs.num_unfinished)
        watch("jobs_running", "Jobs that are being judged.", lambda: self._jobs.num_running)
        watch("stored_bytes", "Of all uploads, there or announced.", lambda: capacity.num_bytes)

    def _enter(self, kind: str) -> Place:
        self._require_running()
        return self._capacity.enter(kind)

    def _require_running(self) -> None:
        if self.is_stopping:
            raise GatewayStoppingError("This gateway is being stopped. Try again: another one may answer.")

    def _open_upload(self, kind: str, options: detection_pb2.AnalyzeOptions, record: CallRecord) -> Upload:
        place = self._enter(kind)
        try:
            upload = Upload(options, max_bytes=self._analysis.limits.max_bytes, place=place, folder=self._folder)
        except BaseException:
            place.close()
            raise
        record.request_id = upload.request_id
        return upload

    async def _receive(
        self, upload: Upload, requests: AsyncIterator[Any], record: CallRecord, context: grpc.aio.ServicerContext
    ) -> detection_pb2.Received:
        await _go_on(context)
        look = self._analysis.early_look(upload)
        try:
            return await receive(upload, requests, limit_sec=self._limits.upload_sec, on_growth=look.note)
        finally:
            record.num_bytes = upload.num_bytes
            record.upload_sec = time.monotonic() - record.begin

    async def _judge_job(self, upload: Upload, tell: Tell) -> Verdict:
        record = CallRecord("Job", self._monitoring.count, request_id=upload.request_id)
        try:
            async with asyncio.timeout(self._limits.deadline_sec):
                verdict = await self._analysis.judge(upload, record, tell, deadline_sec=self._limits.deadline_sec)
        except asyncio.CancelledError:
            record.end("CANCELLED")
            raise
        except Exception as error:
            record.end(status.of(error).code.name, error)
            raise
        record.end("OK")
        return verdict


async def _go_on(context: grpc.aio.ServicerContext) -> None:
    """Says that an upload is awaited. Once begun it is finished: a call cannot be aborted in the midst of it."""
    sent = asyncio.ensure_future(context.send_initial_metadata(GO_ON))
    try:
        await asyncio.shield(sent)
    except asyncio.CancelledError:
        # It fails if the caller has gone, which is known by now.
        await asyncio.gather(sent, return_exceptions=True)
        raise


async def _write_progress(context: grpc.aio.ServicerContext, stage: str, share: float) -> None:
    progress = detection_pb2.Progress(stage=stage, fraction=share)
    await context.write(detection_pb2.AnalyzeEvent(progress=progress))


async def _write_live(
    context: grpc.aio.ServicerContext, live: Live, verdict: Verdict | None, record: CallRecord
) -> None:
    if verdict is not None:
        record.verdict = verdict
        await context.write(detection_pb2.AnalyzeLiveEvent(verdict=to_message(verdict), until_sec=live.until_sec))


def caller_of(context: grpc.aio.ServicerContext) -> str:
    """Returns who calls: equal for equal tokens, and no token."""
    tokens = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    return hashlib.sha256(str(tokens[0]).encode()).hexdigest() if tokens else ""
