"""Videos that are judged while nobody waits: a bounded number of jobs and results, in memory only.

    uploaded --start--> QUEUED --> RUNNING --> DONE | FAILED | CANCELLED --time to live--> forgotten

A gateway that is lost loses its jobs: the caller hears NOT_FOUND, and hands the video in again under the same key.
"""

import asyncio
import contextlib
import datetime
import functools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from deepfake_tf.errors import GatewayBusyError, KeyConflictError, RequestError, UnknownJobError
from deepfake_tf.judging.verdict import Verdict
from serving import status
from serving.analysis import Tell, to_message
from serving.protos.deepfake.v1 import detection_pb2
from serving.upload import Upload

DEFAULT_LIVE_SEC = 3600.0
MAX_LIVE_SEC = 24 * 3600.0
MAX_KEY_CHARS = 256
MAX_RESULT_BYTES = 64 * 1024**2
_RETRY_SEC = 30.0

ENDED = (detection_pb2.Job.DONE, detection_pb2.Job.FAILED, detection_pb2.Job.CANCELLED)

Judge = Callable[[Tell], Awaitable[Verdict]]
"""Judges one video, and tells how far it is."""


def live_sec(options: detection_pb2.JobOptions) -> float:
    """Returns how long a result is kept.

    Raises:
        RequestError: it is not above 0, or longer than allowed.
    """
    if not options.HasField("time_to_live"):
        return DEFAULT_LIVE_SEC
    seconds = options.time_to_live.seconds + options.time_to_live.nanos / 1e9
    if not 0 < seconds <= MAX_LIVE_SEC:
        raise RequestError(f"options.time_to_live must be above 0 and at most {MAX_LIVE_SEC:g} s. Received: {seconds}")
    return float(seconds)


@dataclass
class _Job:
    message: detection_pb2.Job
    key: tuple[str, str] | None
    owner: str
    sha256: str
    live_sec: float
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[Verdict] | None = None

    @property
    def has_ended(self) -> bool:
        return self.message.state in ENDED

    def tell_change(self) -> None:
        """Wakes those who wait; the next change has an event of its own."""
        self.changed.set()
        self.changed = asyncio.Event()


class Jobs:
    """The jobs of one gateway. All of it runs on the event loop."""

    def __init__(self, *, max_jobs: int, num_at_a_time: int) -> None:
        """Makes an empty store.

        Args:
            max_jobs: that are known at a time, those that have ended among them.
            num_at_a_time: that are worked on at a time; the others are QUEUED.
        """
        self._max_jobs = max_jobs
        self._turn = asyncio.Semaphore(num_at_a_time)
        self._jobs: dict[str, _Job] = {}
        self._by_key: dict[tuple[str, str], _Job] = {}

    @property
    def num_unfinished(self) -> int:
        """Jobs that are queued or running."""
        return sum(not job.has_ended for job in list(self._jobs.values()))

    @property
    def num_running(self) -> int:
        """Jobs that are being judged."""
        return sum(job.message.state == detection_pb2.Job.RUNNING for job in list(self._jobs.values()))

    def find(self, options: detection_pb2.JobOptions, sha256: str, *, owner: str) -> detection_pb2.Job | None:
        """Returns the job that was handed in under the key of these options, if there is one.

        One that failed or was cancelled leaves its key to the next.

        Args:
            options: of the new job.
            sha256: of its video, as far as it is known.
            owner: whose keys are looked at.

        Raises:
            RequestError: the key is too long.
            KeyConflictError: it was another video.
        """
        if len(options.idempotency_key) > MAX_KEY_CHARS:
            raise RequestError(f"options.idempotency_key may have {MAX_KEY_CHARS} characters.")
        job = self._by_key.get((owner, options.idempotency_key)) if options.idempotency_key else None
        if job is None or job.message.state in (detection_pb2.Job.FAILED, detection_pb2.Job.CANCELLED):
            return None
        if sha256 and sha256.lower() != job.sha256:
            raise KeyConflictError("Another video was handed in under this idempotency key. Use a new key.")
        return job.message

    def check_room(self) -> None:
        """Refuses a job that could not be kept.

        Raises:
            GatewayBusyError: there are as many jobs, or as large results, as are kept.
        """
        num_bytes = sum(job.message.ByteSize() for job in self._jobs.values())
        if len(self._jobs) >= self._max_jobs or num_bytes >= MAX_RESULT_BYTES:
            raise GatewayBusyError(
                "As many jobs and results are kept as there is room for. Try again later.", _RETRY_SEC
            )

    def start(
        self, upload: Upload, options: detection_pb2.JobOptions, judge: Judge, *, owner: str
    ) -> detection_pb2.Job:
        """Makes a job of an upload that is there whole, and lets go of the upload when it is judged.

        Args:
            upload: now the job's.
            options: of the job; a job that was meanwhile made under their key takes its place.
            judge: does the work.
            owner: who alone may ask for it.

        Raises:
            KeyConflictError: it is another video than the one of the same key.
            GatewayBusyError: there is no room for it.
        """
        with contextlib.ExitStack() as opened:
            opened.callback(upload.close)
            if (found := self.find(options, upload.sha256, owner=owner)) is not None:
                return found
            self.check_room()
            key = (owner, options.idempotency_key) if options.idempotency_key else None
            message = detection_pb2.Job(job_id=uuid.uuid4().hex, state=detection_pb2.Job.QUEUED)
            message.submitted_at.FromDatetime(_now())
            job = _Job(message, key, owner, upload.sha256, live_sec(options))
            opened.pop_all()
        self._jobs[message.job_id] = job
        if key:
            self._by_key[key] = job
        job.task = asyncio.create_task(self._work(job, judge))
        job.task.add_done_callback(functools.partial(self._end, job, upload))
        return message

    def get(self, job_id: str, *, owner: str) -> detection_pb2.Job:
        """Returns how a job stands.

        Raises:
            UnknownJobError: there is none of this name, or not of this owner.
        """
        return self._job(job_id, owner).message

    async def wait(self, job_id: str, *, owner: str) -> AsyncIterator[detection_pb2.Job]:
        """Yields how a job stands, now and each time it changes, until it has ended.

        Raises:
            UnknownJobError: as `get`.
        """
        job = self._job(job_id, owner)
        while True:
            # Both before the message is on its way, while which the job may go on.
            changed, has_ended = job.changed, job.has_ended
            yield job.message
            if has_ended:
                return
            await changed.wait()

    async def cancel(self, job_id: str, *, owner: str) -> detection_pb2.Job:
        """Stops a job; one that has ended stays as it is.

        Raises:
            UnknownJobError: as `get`.
        """
        job = self._job(job_id, owner)
        if (task := job.task) is not None:
            task.cancel()
            await asyncio.wait([task])
        return job.message

    async def drain(self, seconds: float) -> None:
        """Waits for the jobs to end, and stops those that are left then."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=seconds)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _job(self, job_id: str, owner: str) -> _Job:
        job = self._jobs.get(job_id)
        if job is None or job.owner != owner:
            raise UnknownJobError(
                "There is no such job here: it has expired, or the gateway was started anew. Hand the video in again "
                "under the same idempotency key."
            )
        return job

    async def _work(self, job: _Job, judge: Judge) -> Verdict:
        async def tell(stage: str, share: float) -> None:
            job.message.progress.stage, job.message.progress.fraction = stage, share
            job.tell_change()

        async with self._turn:
            job.message.state = detection_pb2.Job.RUNNING
            job.tell_change()
            return await judge(tell)

    def _end(self, job: _Job, upload: Upload, task: "asyncio.Task[Verdict]") -> None:
        # Also of a task that was cancelled before its first step. What ended is kept without what made it.
        upload.close()
        job.task = None
        if task.cancelled():
            job.message.state = detection_pb2.Job.CANCELLED
        elif error := task.exception():
            ended = status.of(error)
            job.message.failure.code, job.message.failure.message = ended.code.name, ended.message
            job.message.state = detection_pb2.Job.FAILED
        else:
            job.message.verdict.CopyFrom(to_message(task.result()))
            job.message.state = detection_pb2.Job.DONE
        now = _now()
        job.message.ClearField("progress")
        job.message.ended_at.FromDatetime(now)
        job.message.expires_at.FromDatetime(now + datetime.timedelta(seconds=job.live_sec))
        job.tell_change()
        asyncio.get_running_loop().call_later(job.live_sec, self._forget, job)

    def _forget(self, job: _Job) -> None:
        del self._jobs[job.message.job_id]
        if job.key and self._by_key.get(job.key) is job:
            del self._by_key[job.key]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
