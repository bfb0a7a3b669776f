"""Workers: what a task does to its process, the pool outlives."""

import asyncio
import os
import pickle
import signal
import struct
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from deepfake_tf import workers
from deepfake_tf.errors import ConfigError, VideoError, WorkerCrashError, WorkerStartError, WorkerTimeoutError
from deepfake_tf.schema import Limits
from deepfake_tf.workers import WorkerPool

SHORT = Limits(time_limit_sec=1.0)


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(1) as one:
        yield one


# Tasks; a worker imports them from here.


def add(a, b):
    return a + b


def die():
    os.kill(os.getpid(), signal.SIGSEGV)


def leave():
    os._exit(3)


def fail():
    raise KeyError("what the task raises")


def fail_in_a_way_that_does_not_travel():
    class Local(Exception):
        pass

    raise Local("told in words")


def take_memory(num_bytes):
    return int(np.ones(num_bytes // 8).sum())


def count_to(number, on_progress):
    for done in range(number):
        on_progress("counting", (done + 1) / number)
    return os.getpid()


def touch_later(path):
    path.with_suffix(".begun").touch()
    time.sleep(1.0)
    path.touch()


def environment(name):
    return os.environ.get(name)


class Harmful:
    """A pickle that makes a folder when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def line_to_the_pool():
    """What a task that has taken its worker over finds in the frames that called it."""
    frame = sys._getframe()
    while "connection" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["connection"]


def answer_with_a_pickle(path):
    line_to_the_pool().send_bytes(pickle.dumps(("result", Harmful(path))))
    time.sleep(60)


def answer_without_end():
    """Sends the head of a long message and no more."""
    os.write(line_to_the_pool().fileno(), struct.pack("!i", 1000))
    time.sleep(60)


class Unknown:
    """No plain data."""


def return_what_cannot_travel():
    return Unknown()


def test_result_comes_back(pool):
    assert pool.submit(add, 2, 3).result() == 5


def test_what_a_task_raises_is_raised(pool):
    with pytest.raises(KeyError, match="what the task raises") as info:
        pool.submit(fail).result()
    assert "in fail" in info.value.__notes__[0]


def test_error_that_cannot_be_pickled_is_told_in_words(pool):
    with pytest.raises(WorkerCrashError, match="Local: told in words"):
        pool.submit(fail_in_a_way_that_does_not_travel).result()


def test_nothing_that_a_worker_answers_is_run(pool, tmp_path):
    with pytest.raises(WorkerCrashError, match="no answer"):
        pool.submit(answer_with_a_pickle, tmp_path / "harm").result()
    assert not (tmp_path / "harm").exists()
    assert pool.submit(add, 1, 1).result() == 2


def test_answer_that_never_ends_costs_one_task(pool):
    with pytest.raises(WorkerCrashError, match="SIGKILL"):
        pool.submit(answer_without_end, limits=SHORT).result(20)
    assert pool.submit(add, 1, 1).result() == 2


def test_answer_is_no_larger_than_the_memory_of_the_task(pool):
    few = replace(Limits(), memory_limit_bytes=2**26)
    with pytest.raises(WorkerCrashError):
        pool.submit(bytes, 2**25 + 2**25, limits=few).result()
    assert len(pool.submit(bytes, 2**24, limits=few).result()) == 2**24


def test_value_that_is_no_plain_data_is_told_in_words(pool):
    with pytest.raises(TypeError, match="type Unknown cannot come back"):
        pool.submit(return_what_cannot_travel).result()


@pytest.mark.parametrize(("task", "words"), [(die, "SIGSEGV"), (leave, "exit code 3")])
def test_crash_costs_one_task(pool, task, words):
    crash, after = pool.submit(task), pool.submit(add, 1, 1)
    with pytest.raises(WorkerCrashError, match=words):
        crash.result()
    assert after.result() == 2


def test_a_worker_that_died_while_it_was_idle_costs_no_task(pool):
    pid = pool.submit(os.getpid).result()
    os.kill(pid, signal.SIGKILL)
    assert pool.submit(add, 1, 1).result() == 2
    pid = pool.submit(os.getpid).result()
    # It has a task on its way when it dies, and has not looked at it.
    os.kill(pid, signal.SIGSTOP)
    future = pool.submit(add, 1, 2)
    time.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    assert future.result() == 3


def kill_own_worker(folder, times):
    """Sends its process a SIGKILL as somebody else might, as often as told."""
    tries = len(list(folder.iterdir()))
    (folder / str(tries)).touch()
    if tries < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return tries


def test_a_worker_that_others_kill_costs_no_task_the_first_time(pool, tmp_path):
    (tmp_path / "once").mkdir()
    assert pool.submit(kill_own_worker, tmp_path / "once", 1).result() == 1
    (tmp_path / "always").mkdir()
    with pytest.raises(WorkerCrashError, match="SIGKILL"):
        pool.submit(kill_own_worker, tmp_path / "always", 9).result()
    assert len(list((tmp_path / "always").iterdir())) == 2
    assert pool.submit(add, 1, 1).result() == 2


def test_a_task_that_kills_its_worker_is_not_given_to_another(tmp_path):
    log = tmp_path / "log"
    with WorkerPool(1, initializer=Append(log)) as pool:
        with pytest.raises(WorkerCrashError, match="SIGSEGV"):
            pool.submit(die).result()
        assert pool.submit(add, 1, 1).result() == 2
    assert log.read_text() == "xx"


def test_hang_costs_one_task(pool):
    hang, after = pool.submit(time.sleep, 60, limits=SHORT), pool.submit(add, 1, 1)
    begin = time.monotonic()
    with pytest.raises(WorkerTimeoutError, match="limit of 1 s"):
        hang.result()
    assert after.result() == 2
    assert time.monotonic() - begin < 30


def test_memory_is_bounded(pool):
    tight = Limits(memory_limit_bytes=200 * 2**20)
    assert pool.submit(take_memory, 50 * 2**20, limits=tight).result() == 50 * 2**20 // 8
    with pytest.raises(WorkerCrashError, match="memory limit"):
        pool.submit(take_memory, 400 * 2**20, limits=tight).result()
    assert pool.submit(take_memory, 400 * 2**20).result() == 400 * 2**20 // 8


def test_progress_arrives_in_order(pool):
    told = []
    pool.submit(count_to, 4, on_progress=lambda stage, share: told.append((stage, share))).result()
    assert told == [("counting", 0.25), ("counting", 0.5), ("counting", 0.75), ("counting", 1.0)]


def test_error_in_the_callers_progress_ends_the_task_only(pool):
    def refuse(stage, share):
        raise RuntimeError("the caller's own fault")

    with pytest.raises(RuntimeError, match="own fault"):
        pool.submit(count_to, 4, on_progress=refuse).result()
    assert pool.submit(add, 1, 1).result() == 2


def test_a_worker_is_used_again(pool):
    first = pool.submit(os.getpid).result()
    assert pool.submit(os.getpid).result() == first != os.getpid()


def test_libraries_get_one_thread(pool):
    assert pool.submit(environment, "OMP_NUM_THREADS").result() == "1"


def wait_for(path):
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise TimeoutError(path)


def test_cancel_stops_the_work(pool, tmp_path):
    mark = tmp_path / "mark.done"
    future = pool.submit(touch_later, mark)
    wait_for(mark.with_suffix(".begun"))
    assert future.cancel()
    assert pool.submit(add, 1, 1).result() == 2
    time.sleep(1.2)
    assert not mark.exists()


def test_cancelling_an_asyncio_task_stops_the_work(pool, tmp_path):
    mark = tmp_path / "mark.done"

    async def cancel_midway():
        task = asyncio.ensure_future(asyncio.wrap_future(pool.submit(touch_later, mark)))
        await asyncio.to_thread(wait_for, mark.with_suffix(".begun"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_midway())
    time.sleep(1.2)
    assert not mark.exists()


def test_initializer_runs_once_in_each_worker(tmp_path):
    log = tmp_path / "log"
    with WorkerPool(1, initializer=Append(log)) as pool:
        for _ in range(3):
            pool.submit(add, 1, 1).result()
    assert log.read_text() == "x"


class Append:
    def __init__(self, path):
        self.path = path

    def __call__(self):
        with self.path.open("a") as file:
            file.write("x")


def test_initializer_that_fails_fails_the_task():
    with WorkerPool(1, initializer=fail) as pool, pytest.raises(KeyError):
        pool.submit(add, 1, 1).result()


class EndAtFirst:
    """Ends its process in the first few workers."""

    def __init__(self, folder, times):
        self.folder, self.times = folder, times

    def __call__(self):
        tries = len(list(self.folder.iterdir()))
        (self.folder / str(tries)).touch()
        if tries < self.times:
            os._exit(7)


def test_a_worker_that_cannot_be_started_is_no_fault_of_a_task(tmp_path):
    with WorkerPool(1, initializer=EndAtFirst(tmp_path, 3)) as pool:
        with pytest.raises(WorkerStartError, match="exit code 7"):
            pool.submit(add, 1, 1).result()
        # The second try of this one succeeds.
        assert pool.submit(add, 1, 1).result() == 2
    assert len(list(tmp_path.iterdir())) == 4


def test_a_worker_that_does_not_get_ready_is_no_fault_of_a_task(monkeypatch):
    monkeypatch.setattr(workers, "_START_LIMIT_SEC", 0.1)
    with WorkerPool(1, initializer=sleep_long) as pool, pytest.raises(WorkerStartError, match=r"within 0\.1 s"):
        pool.submit(add, 1, 1).result(30)


def sleep_long():
    time.sleep(60)


def test_workers_work_side_by_side():
    with WorkerPool(2) as pool:
        pids = {pool.submit(count_slowly).result() for _ in range(1)}
        futures = [pool.submit(count_slowly) for _ in range(4)]
        pids |= {future.result() for future in futures}
    assert len(pids) == 2


def count_slowly():
    time.sleep(0.3)
    return os.getpid()


def test_close_ends_processes_and_threads(tmp_path):
    threads_before = threading.active_count()
    pool = WorkerPool(2)
    pid = pool.submit(os.getpid).result()
    waiting = pool.submit(time.sleep, 60)
    pool.close()
    assert waiting.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert threading.active_count() == threads_before
    with pytest.raises(ConfigError, match="closed"):
        pool.submit(add, 1, 1)


def test_our_errors_keep_their_type(pool):
    with pytest.raises(VideoError, match="no good"):
        pool.submit(raise_video_error).result()


def raise_video_error():
    raise VideoError("no good")


def test_pool_without_workers_is_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        WorkerPool(0)
