"""Worker processes with limits: what a hostile video does to one of them costs that video and nothing else.

A worker is a fresh Python process that runs one task after another. It is killed at the task's time limit, cannot
allocate more than its memory limit, and is replaced when it dies; one that died while it was idle costs no task, and
one that somebody else killed costs none the first time. Where no worker can be started the error says so: it is not
the task's.
"""

import functools
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self

from deepfake_tf import plain
from deepfake_tf.errors import ConfigError, WorkerCrashError, WorkerStartError, WorkerTimeoutError
from deepfake_tf.schema import Limits

Task = Callable[..., Any]
Progress = Callable[[str, float], None]

# One thread a library and worker: the machine's cores are shared out by the number of workers.
_ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
}
_START_LIMIT_SEC = 120.0
_POLL_SEC = 0.05
# Of a message that has begun to come when its time is up, and of those that carry no result.
_MESSAGE_GRACE_SEC = 1.0
_MAX_SHORT_BYTES = 2**20


@dataclass
class _Job:
    function: Task
    args: tuple[Any, ...]
    on_progress: Progress | None
    limits: Limits
    future: Future[Any]


class WorkerPool:
    """A fixed number of worker processes. Safe to use from several threads, and from asyncio by `asyncio.wrap_future`.

    Functions and arguments travel to a worker by pickle: a function must be importable by its name. What comes back is
    plain data (plain.py), as a worker that works on what strangers send may not be its own master any more.
    """

    def __init__(
        self, num_workers: int, *, limits: Limits | None = None, initializer: Callable[[], None] | None = None
    ) -> None:
        """Makes the pool; processes start with their first task.

        Args:
            num_workers: tasks that are worked on at a time.
            limits: time and memory of a task.
            initializer: called in each new worker before its first task, outside the limits of tasks.
        """
        if num_workers < 1:
            raise ConfigError(f"A pool needs at least 1 worker. Received: num_workers={num_workers}")
        self._limits = limits or Limits()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._is_closed = False
        self._lock = threading.Lock()
        self._pending: set[Future[Any]] = set()
        self._threads = [
            threading.Thread(target=_Seat(self._jobs, initializer).serve, name=f"worker-{number}", daemon=True)
            for number in range(num_workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def num_workers(self) -> int:
        """Tasks that are worked on at a time."""
        return len(self._threads)

    def submit(
        self, function: Task, *args: Any, on_progress: Progress | None = None, limits: Limits | None = None
    ) -> Future[Any]:
        """Queues a task.

        Args:
            function: called in a worker.
            args: its arguments.
            on_progress: if given, the function is called with a keyword argument `on_progress`, and what it tells that
                arrives here, on a thread of the pool.
            limits: of this task; those of the pool if None.

        Returns:
            The future result. It raises WorkerTimeoutError, WorkerCrashError, WorkerStartError, or what the function
            raised. Its `cancel` also stops a task that is being worked on, by killing its worker.
        """
        with self._lock:
            if self._is_closed:
                raise ConfigError("The worker pool is closed: it takes no more tasks.")
            job = _Job(function, args, on_progress, limits or self._limits, Future())
            self._pending.add(job.future)
            job.future.add_done_callback(self._pending.discard)
            self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Cancels what is not done, ends the processes and returns when they are gone."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        for future in list(self._pending):
            future.cancel()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _KilledByOthersError(WorkerCrashError):
    """A worker got a SIGKILL that it was not sent from here."""


class _Seat:
    """One place in the pool: a thread that hands tasks to its process and watches over it."""

    def __init__(self, jobs: "queue.SimpleQueue[_Job | None]", initializer: Callable[[], None] | None) -> None:
        self._jobs = jobs
        self._initializer = initializer
        self._worker: _Worker | None = None

    def serve(self) -> None:
        """Works until it takes a None from the queue."""
        while (job := self._jobs.get()) is not None:
            # The future is left pending while the task runs, so that it can be cancelled all the time.
            if job.future.cancelled():
                job.future.set_running_or_notify_cancel()
                continue
            self._settle(job)
        self._dismiss()

    def _settle(self, job: _Job) -> None:
        try:
            settle = functools.partial(job.future.set_result, self._work(job))
        except BaseException as error:
            settle = functools.partial(job.future.set_exception, error)
        try:
            settle()
        except InvalidStateError:
            # It was cancelled meanwhile: wake those who wait for it.
            job.future.set_running_or_notify_cancel()

    def _work(self, job: _Job) -> Any:
        try:
            return self._try(job)
        except (_KilledByOthersError, WorkerStartError):
            # Whoever did it, the system or an operator: as far as can be told, it was not the task's doing.
            return self._try(job)

    def _try(self, job: _Job) -> Any:
        message = pickle.dumps((job.function, job.args, job.on_progress is not None, job.limits))
        worker = self._hand_over(message)
        try:
            kind, value = self._watch(worker, job)
        except (EOFError, OSError) as error:
            how = self._dismiss()
            by_others = how == "signal SIGKILL" and not worker.is_killed
            crash = _KilledByOthersError if by_others else WorkerCrashError
            raise crash(f"The worker process died: {how}.") from error
        except BaseException:
            # It may still be at the task, or about to answer: the next task needs one that is idle.
            self._dismiss()
            raise
        if kind == "result":
            return value
        if isinstance(value, WorkerCrashError):
            self._dismiss()
        raise value

    def _hand_over(self, message: bytes) -> "_Worker":
        """Gives a task to the process, or to a new one if the old one died while it had nothing to do."""
        if self._worker is not None and self._worker.took(message):
            return self._worker
        self._dismiss()
        self._worker = _Worker(self._initializer)
        if not self._worker.took(message):
            raise _not_started(f"it took no task, {self._dismiss()}")
        return self._worker

    def _watch(self, worker: "_Worker", job: _Job) -> tuple[str, Any]:
        """Waits for the answer, a result or an error, and passes progress on."""
        deadline = time.monotonic() + job.limits.time_limit_sec
        with worker.killed_after(job.limits.time_limit_sec + _MESSAGE_GRACE_SEC):
            while not job.future.cancelled():
                if time.monotonic() > deadline:
                    raise WorkerTimeoutError(f"The task was stopped at its limit of {job.limits.time_limit_sec:g} s.")
                if not worker.connection.poll(_POLL_SEC):
                    continue
                # No answer is larger than the memory it was made in.
                kind, value = worker.receive(max_bytes=job.limits.memory_limit_bytes)
                if kind != "progress":
                    return kind, value
                if job.on_progress is not None:
                    job.on_progress(*value)
        raise CancelledError

    def _dismiss(self) -> str:
        """Ends the process if there is one; returns how it ended."""
        worker, self._worker = self._worker, None
        return worker.end() if worker else ""


def _not_started(why: str) -> WorkerStartError:
    return WorkerStartError(
        f"A worker process could not be started: {why}. The machine may be short of memory or have too much to do; "
        "try again when it has less."
    )


class _Worker:
    """A process and the line to it."""

    def __init__(self, initializer: Callable[[], None] | None) -> None:
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        self.is_killed = False
        with theirs:
            self._process = self._start(theirs.fileno())
        try:
            self.send(pickle.dumps(initializer))
            if not self.connection.poll(_START_LIMIT_SEC):
                self.end()
                raise _not_started(f"it was not ready within {_START_LIMIT_SEC:g} s")
            kind, value = self.receive()
        except (EOFError, OSError) as error:
            raise _not_started(f"it ended at once, {self.end()}") from error
        if kind == "error":
            self.end()
            raise value

    def _start(self, descriptor: int) -> "subprocess.Popen[bytes]":
        code = f"import sys; sys.path[:] = {sys.path!r}; from deepfake_tf.worker_process import run_worker; "
        try:
            return subprocess.Popen(
                [sys.executable, "-c", f"{code}run_worker({descriptor})"],
                pass_fds=(descriptor,),
                env=os.environ | _ONE_THREAD,
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            self.connection.close()
            raise _not_started(str(error)) from error

    def send(self, message: bytes) -> None:
        """Sends it a pickled message."""
        self.connection.send_bytes(message)

    def took(self, message: bytes) -> bool:
        """Sends it a task and returns whether it took it: a process that was dead by then has no part in the task."""
        try:
            with self.killed_after(_START_LIMIT_SEC):
                self.send(message)
                return self.receive()[0] == "taken"
        except (EOFError, OSError, WorkerCrashError):
            return False

    def receive(self, *, max_bytes: int = _MAX_SHORT_BYTES) -> tuple[str, Any]:
        """Waits for what it sends next; returns what it is, and the value.

        Raises:
            WorkerCrashError: it is no such message.
            EOFError, OSError: the process ended, or sends more than it may.
        """
        data = self.connection.recv_bytes(max_bytes)
        try:
            kind, value = plain.loads(data)
            if kind == "error" and not isinstance(value, Exception):
                raise ValueError("It told of an error that is none.")
        except (ValueError, TypeError) as error:
            raise WorkerCrashError(f"The worker process answered with what is no answer. {error}") from error
        return kind, value

    @contextmanager
    def killed_after(self, seconds: float) -> Iterator[None]:
        """Kills the process if this takes longer: a message that never ends would hold its reader for ever."""
        alarm = threading.Timer(seconds, self._kill)
        alarm.daemon = True
        alarm.start()
        try:
            yield
        finally:
            alarm.cancel()

    def end(self) -> str:
        """Kills the process if it still runs; returns how it ended."""
        self.connection.close()
        try:
            # One that is dying by itself may tell more by its exit code than the kill would.
            self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            self._kill()
        code = self._process.wait()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def _kill(self) -> None:
        self.is_killed = True
        self._process.kill()
