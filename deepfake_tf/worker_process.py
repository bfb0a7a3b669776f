"""What a worker process does: takes tasks from its pool, one after another, and answers each within its limits."""

import gc
import pickle
import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from deepfake_tf import freed_memory, plain
from deepfake_tf.errors import DeepfakeError, WorkerCrashError
from deepfake_tf.schema import Limits

# The worker's own alarm, should the pool be gone: later than the pool's limit.
_ALARM_GRACE_SEC = 10
# A worker that has nothing to do for so long gives back what it has freed.
_REST_SEC = 0.5


def run_worker(descriptor: int) -> None:
    """Works in a worker process until the pool hangs up.

    Args:
        descriptor: of the socket to the pool.
    """
    # An interrupt from the keyboard goes to the whole group of processes; it is the pool's to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    try:
        initializer = pickle.loads(connection.recv_bytes())
        connection.send_bytes(_answer(initializer or (lambda: None)))
        while True:
            if not connection.poll(_REST_SEC):
                # Not after each task: the next would have to ask for it again, which takes 4 % of a short video's time.
                freed_memory.give_back()
            message = connection.recv_bytes()
            # Told before anything of the task is looked at: from here on its end is the task's doing.
            connection.send_bytes(plain.dumps(("taken", None)))
            function, args, wants_progress, limits = pickle.loads(message)
            options = {"on_progress": _reporter(connection)} if wants_progress else {}
            with _limited(limits):
                answer = _answer(lambda: function(*args, **options))  # noqa: B023 - called at once
            connection.send_bytes(answer)
            _free_memory()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _free_memory() -> None:
    """Frees what a task has left in circles of objects: PyAV's frames stand in them, with megabytes of pixels."""
    gc.collect()
    if not gc.get_freeze_count():
        # Libraries and the face detector stay: to look through them after each task would take longer than the task.
        gc.freeze()


def _answer(work: Callable[[], Any]) -> bytes:
    try:
        return plain.dumps(("result", work()))
    except MemoryError:
        return plain.dumps(("error", WorkerCrashError("The worker reached its memory limit.")))
    except Exception as error:
        if not isinstance(error, DeepfakeError):
            error.add_note("In the worker:\n" + traceback.format_exc())
        return _answer_of(error)


def _answer_of(error: Exception) -> bytes:
    """An error as a message; one that does not survive the way is told in words."""
    try:
        data = plain.dumps(("error", error))
        plain.loads(data)
        return data
    except (TypeError, ValueError):
        return plain.dumps(("error", WorkerCrashError(f"{type(error).__name__}: {error}")))


def _reporter(connection: Connection) -> Callable[[str, float], None]:
    return lambda stage, share: connection.send_bytes(plain.dumps(("progress", (stage, float(share)))))


@contextmanager
def _limited(limits: Limits) -> Iterator[None]:
    """Bounds the address space of this process, and its time in case that nobody watches it any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    address_space_bytes = _address_space_bytes()
    if address_space_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (_at_most(address_space_bytes + limits.memory_limit_bytes, hard), hard))
    signal.setitimer(signal.ITIMER_REAL, limits.time_limit_sec + _ALARM_GRACE_SEC)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _at_most(num_bytes: int, hard: int) -> int:
    return num_bytes if hard == resource.RLIM_INFINITY else min(num_bytes, hard)


def _address_space_bytes() -> int:
    """What this process maps by now, 0 where the system does not tell. Loaded libraries alone map gigabytes."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
