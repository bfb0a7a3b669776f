"""The gateway's client for programs that run an event loop: one video, many, or jobs; tried again where that helps.

async with AsyncClient("localhost:50051") as client:
    print((await client.analyze("x.mp4")).verdict)
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import grpc

from deepfake_tf.judging.verdict import Verdict
from serving.first_status import first_status
from serving.link import (
    DEFAULT_DEADLINE_SEC,
    DEFAULT_RETRIES,
    DEFAULT_TARGET,
    CallError,
    Link,
    Patience,
    from_message,
    is_let_in,
)
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc

CHUNK_BYTES = 512 * 1024
UPLOAD_STAGE = "upload"
MODEL_BUSY_SEC = 2.0
"""When a job is handed in again that failed because the model was busy."""

WAITING_STAGE = "waiting to try again"

Progress = Callable[[str, float], None]
"""Takes the name of a stage and the share of it that is done, in [0, 1]."""

_Result = TypeVar("_Result")
_State = detection_pb2.Job


@dataclass(frozen=True)
class _File:
    path: Path
    size_bytes: int
    sha256: str

    def options(self, request_id: str) -> detection_pb2.AnalyzeOptions:
        return detection_pb2.AnalyzeOptions(
            name=self.path.name, size_bytes=self.size_bytes, sha256=self.sha256, request_id=request_id
        )

    async def chunks(self, tell: Progress) -> AsyncIterator[bytes]:
        num_bytes = 0
        with self.path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk
                num_bytes += len(chunk)
                tell(UPLOAD_STAGE, min(1.0, num_bytes / max(1, self.size_bytes)))


class AsyncClient:
    """A link to a gateway, used on one event loop."""

    def __init__(self, link: Link | str = DEFAULT_TARGET, *, retries: int = DEFAULT_RETRIES) -> None:
        """Makes the link; nothing is sent yet.

        Args:
            link: the gateway, or its host:port.
            retries: how often a gateway is tried again that cannot be reached.
        """
        self._link = link if isinstance(link, Link) else Link(link)
        self._retries = retries
        self._channel = self._link.open()
        self._stub = detection_pb2_grpc.DetectionServiceStub(self._channel)

    async def analyze(
        self,
        path: Path | str,
        *,
        on_progress: Progress | None = None,
        deadline_sec: float = DEFAULT_DEADLINE_SEC,
        request_id: str = "",
    ) -> Verdict:
        """Has one video judged while this waits.

        Args:
            path: the file.
            on_progress: is told how far upload and analysis are.
            deadline_sec: how long all of it may take, all tries together.
            request_id: what the gateway's log calls the request; a random one if empty.

        Raises:
            CallError: the gateway did not answer with a verdict.
            OSError: the file cannot be read.
        """
        tell = on_progress or (lambda stage, share: None)
        file = await look_at(path)
        options = file.options(request_id or uuid.uuid4().hex)

        async def once(left_sec: float) -> Verdict:
            async def requests() -> AsyncIterator[detection_pb2.AnalyzeRequest]:
                yield detection_pb2.AnalyzeRequest(options=options)
                if await is_let_in(call):
                    async for chunk in file.chunks(tell):
                        yield detection_pb2.AnalyzeRequest(chunk=chunk)

            call = self._stub.Analyze(requests(), timeout=left_sec, metadata=self._link.metadata)
            with first_status(call):
                return await _verdict(call, tell)

        return await self._tried(once, Patience(deadline_sec=deadline_sec, retries=self._retries), tell)

    async def analyze_all(
        self,
        paths: Sequence[Path | str],
        *,
        num_parallel: int = 4,
        judge: Callable[[Path | str], Awaitable[Verdict]] | None = None,
    ) -> AsyncIterator[Verdict | CallError]:
        """Has many videos judged, some at a time.

        Args:
            paths: the files.
            num_parallel: videos on their way at a time.
            judge: judges one; `analyze` if None.

        Yields:
            The verdict on each, or why there is none, in order.
        """
        turn = asyncio.Semaphore(num_parallel)

        async def one(path: Path | str) -> Verdict | CallError:
            async with turn:
                try:
                    return await (judge or self.analyze)(path)
                except CallError as error:
                    return error

        tasks = [asyncio.create_task(one(path)) for path in paths]
        try:
            for task in tasks:
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def analyze_as_job(
        self,
        path: Path | str,
        *,
        on_progress: Progress | None = None,
        deadline_sec: float = DEFAULT_DEADLINE_SEC,
        key: str = "",
    ) -> Verdict:
        """Hands in a video as a job and waits for its end; a job that was lost is handed in again.

        Args:
            path: the file.
            on_progress: is told how far upload and analysis are.
            deadline_sec: how long all of it may take.
            key: names the job: the same key again, within its time to live, asks for the same verdict.

        Raises:
            CallError: there is no verdict.
            OSError: the file cannot be read.
        """
        patience = Patience(deadline_sec=deadline_sec, retries=self._retries)
        tell = on_progress or (lambda stage, share: None)
        key = key or uuid.uuid4().hex

        async def once(left_sec: float) -> Verdict:
            job = await self.submit(path, on_progress=on_progress, deadline_sec=left_sec, key=key)
            try:
                return await self.wait(job.job_id, on_progress=on_progress, deadline_sec=patience.left_sec)
            except CallError as error:
                # The gateway was started anew, or told to stop: the key stands for the same video at the next.
                if error.code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.CANCELLED):
                    raise CallError(grpc.StatusCode.UNAVAILABLE, str(error)) from error
                raise

        return await self._tried(once, patience, tell)

    async def submit(
        self,
        path: Path | str,
        *,
        on_progress: Progress | None = None,
        deadline_sec: float = DEFAULT_DEADLINE_SEC,
        key: str = "",
        keep_sec: float | None = None,
    ) -> detection_pb2.Job:
        """Hands in a video to be judged later.

        Args:
            path: the file.
            on_progress: is told how far the upload is.
            deadline_sec: how long the upload may take.
            key: the same one again gives the same job; a random one if empty.
            keep_sec: how long the result is kept; as long as the gateway usually does if None.

        Returns:
            The job, with its `job_id`.

        Raises:
            CallError: it was not taken.
            OSError: the file cannot be read.
        """
        tell = on_progress or (lambda stage, share: None)
        file = await look_at(path)
        options = detection_pb2.JobOptions(
            video=file.options(uuid.uuid4().hex), idempotency_key=key or uuid.uuid4().hex
        )
        if keep_sec is not None:
            options.time_to_live.FromMilliseconds(round(keep_sec * 1000))

        async def once(left_sec: float) -> detection_pb2.Job:
            async def requests() -> AsyncIterator[detection_pb2.SubmitJobRequest]:
                yield detection_pb2.SubmitJobRequest(options=options)
                # A job that is known by its key is answered at once.
                if await is_let_in(call):
                    async for chunk in file.chunks(tell):
                        yield detection_pb2.SubmitJobRequest(chunk=chunk)

            call = self._stub.SubmitJob(requests(), timeout=left_sec, metadata=self._link.metadata)
            with first_status(call):
                job: detection_pb2.Job = await call
                return job

        return await self._tried(once, Patience(deadline_sec=deadline_sec, retries=self._retries), tell)

    async def wait(
        self, job_id: str, *, on_progress: Progress | None = None, deadline_sec: float = DEFAULT_DEADLINE_SEC
    ) -> Verdict:
        """Waits for the end of a job.

        Raises:
            CallError: it ended without a verdict, or is not known.
        """
        tell = on_progress or (lambda stage, share: None)

        async def once(left_sec: float) -> detection_pb2.Job:
            request = detection_pb2.WaitJobRequest(job_id=job_id)
            last = None
            try:
                async for last in self._stub.WaitJob(request, timeout=left_sec, metadata=self._link.metadata):
                    if last.HasField("progress"):
                        tell(last.progress.stage, last.progress.fraction)
            except grpc.aio.AioRpcError as error:
                # The gateway has a limit of its own on a call; the job goes on.
                if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED or patience.left_sec < 1:
                    raise
            if last is None or last.state not in (_State.DONE, _State.FAILED, _State.CANCELLED):
                raise CallError(grpc.StatusCode.UNAVAILABLE, "the gateway ended the call before the job had ended")
            return last

        patience = Patience(deadline_sec=deadline_sec, retries=self._retries)
        return _verdict_of_job(await self._tried(once, patience, tell))

    async def job(self, job_id: str, *, cancel: bool = False, deadline_sec: float = 30.0) -> detection_pb2.Job:
        """Returns how a job stands, after stopping it if told to.

        Raises:
            CallError: it is not known.
        """

        async def once(left_sec: float) -> detection_pb2.Job:
            method, kind = (
                (self._stub.CancelJob, detection_pb2.CancelJobRequest)
                if cancel
                else (self._stub.GetJob, detection_pb2.GetJobRequest)
            )
            found: detection_pb2.Job = await method(kind(job_id=job_id), timeout=left_sec, metadata=self._link.metadata)
            return found

        patience = Patience(deadline_sec=deadline_sec, retries=self._retries)
        return await self._tried(once, patience, lambda stage, share: None)

    async def live(
        self, pictures: AsyncIterable[tuple[bytes, int]], *, request_id: str = ""
    ) -> AsyncIterator[tuple[float, Verdict]]:
        """Has judged what is being filmed. Nothing is tried again: what was filmed is gone.

        Args:
            pictures: JPEG files, each with its time in microseconds from the start of the stream.
            request_id: what the gateway's log calls the stream; a random one if empty.

        Yields:
            Up to which second the stream has been judged, and the verdict on the newest of it.

        Raises:
            CallError: the gateway ended the stream.
        """

        async def requests() -> AsyncIterator[detection_pb2.AnalyzeLiveRequest]:
            options = detection_pb2.LiveOptions(request_id=request_id or uuid.uuid4().hex)
            yield detection_pb2.AnalyzeLiveRequest(options=options)
            if await is_let_in(call):
                async for image, time_us in pictures:
                    frame = detection_pb2.LiveFrame(image=image, timestamp_us=time_us)
                    yield detection_pb2.AnalyzeLiveRequest(frame=frame)

        call = self._stub.AnalyzeLive(requests(), metadata=self._link.metadata)
        try:
            with first_status(call):
                async for event in call:
                    yield event.until_sec, from_message(event.verdict)
        except grpc.aio.AioRpcError as error:
            raise self._link.error(error) from error

    async def close(self) -> None:
        """Closes the link."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _tried(self, once: Callable[[float], Awaitable[_Result]], patience: Patience, tell: Progress) -> _Result:
        """Does something until it works, or patience ends."""
        while True:
            try:
                return await once(patience.left_sec)
            except grpc.aio.AioRpcError as error:
                failure = self._link.error(error)
            except CallError as error:
                failure = error
            pause_sec = patience.pause_sec(failure)
            if pause_sec is None:
                raise failure
            tell(WAITING_STAGE, 0.0)
            await asyncio.sleep(pause_sec)


async def look_at(path: Path | str) -> _File:
    """Returns size and SHA-256 of a file, without blocking the event loop.

    Raises:
        OSError: it cannot be read.
    """
    path = Path(path)

    def look() -> _File:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return _File(path, file.tell(), digest.hexdigest())

    return await asyncio.to_thread(look)


async def _verdict(events: AsyncIterator[detection_pb2.AnalyzeEvent], tell: Progress) -> Verdict:
    message = None
    async for event in events:
        kind = event.WhichOneof("event")
        if kind == "received":
            tell(UPLOAD_STAGE, 1.0)
        elif kind == "progress":
            tell(event.progress.stage, event.progress.fraction)
        elif kind == "verdict":
            message = event.verdict
    if message is None:
        raise CallError(grpc.StatusCode.INTERNAL, "the gateway ended the call without a verdict")
    return from_message(message)


def _verdict_of_job(job: detection_pb2.Job) -> Verdict:
    if job.state == _State.DONE:
        return from_message(job.verdict)
    if job.state == _State.CANCELLED:
        raise CallError(grpc.StatusCode.CANCELLED, "the job was cancelled")
    code = next((one for one in grpc.StatusCode if one.name == job.failure.code), grpc.StatusCode.UNKNOWN)
    is_busy = code == grpc.StatusCode.RESOURCE_EXHAUSTED
    raise CallError(code, job.failure.message, MODEL_BUSY_SEC if is_busy else None)
