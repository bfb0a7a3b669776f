"""Every runner is tested by being there: it does all tasks, once each, tells of them, and ends with the first error."""

import threading
import time
from typing import ClassVar

import pytest

from deepfake_tf import plugins
from deepfake_tf.data_folder import FinishedShard
from deepfake_tf.errors import DataError
from deepfake_tf.records import ShardInfo
from deepfake_tf.runners import RunSettings, ShardTask, VideoDone
from deepfake_tf.schema import Outcome

TASKS = [ShardTask(f"shard-{number}", "train", ()) for number in range(7)]


@pytest.fixture(params=[pytest.param(n, marks=[pytest.mark.slow] * (n == "ray")) for n in plugins.names("runners")])
def run(request):
    address = request.getfixturevalue("ray_address") if request.param == "ray" else None

    def run(tasks, open_worker, *, num_workers, on_event):
        settings = RunSettings(runner=request.param, num_workers=num_workers, address=address)
        plugins.load("runners", request.param).run(tasks, open_worker, settings=settings, on_event=on_event)

    return run


class Worker:
    """Counts how many of its kind are open and at work."""

    opened: ClassVar[list["Worker"]] = []
    at_work = 0
    most_at_work = 0
    lock = threading.Lock()

    def __init__(self):
        self.is_open = False
        self.closing = threading.Event()

    def __enter__(self):
        self.is_open = True
        Worker.opened.append(self)
        return self

    def __exit__(self, *error):
        self.is_open = False
        self.closing.set()

    def __call__(self, task, on_event):
        assert self.is_open
        with Worker.lock:
            Worker.at_work += 1
            Worker.most_at_work = max(Worker.most_at_work, Worker.at_work)
        try:
            self.work(task, on_event)
        finally:
            with Worker.lock:
                Worker.at_work -= 1

    def work(self, task, on_event):
        time.sleep(0.01)
        on_event(VideoDone(task.name, Outcome.OK, 1))
        on_event(FinishedShard(ShardInfo(task.name, 1, 1, 1, ""), ()))


@pytest.fixture(autouse=True)
def _fresh():
    Worker.opened, Worker.at_work, Worker.most_at_work = [], 0, 0
    yield
    assert not any(worker.is_open for worker in Worker.opened)
    assert not [thread for thread in threading.enumerate() if "_drive" in thread.name]


@pytest.mark.parametrize("num_workers", [1, 3])
def test_every_task_is_done_once_and_told_on_our_thread(run, num_workers):
    told = []
    run(
        TASKS,
        Worker,
        num_workers=num_workers,
        on_event=lambda event: told.append((event, threading.current_thread())),
    )
    assert {thread for _, thread in told} == {threading.main_thread()}
    events = [event for event, _ in told]
    shards = [event.info.name for event in events if isinstance(event, FinishedShard)]
    assert sorted(shards) == [task.name for task in TASKS]
    assert sorted(event.video_id for event in events if isinstance(event, VideoDone)) == sorted(shards)
    assert Worker.most_at_work <= num_workers


def test_no_tasks_are_done_at_once(run):
    run([], Worker, num_workers=1, on_event=lambda event: None)


class FailingWorker(Worker):
    def work(self, task, on_event):
        if task.name == "shard-2":
            raise DataError("shard-2 cannot be made")
        # The others wait until they are closed, as a worker does that is killed.
        if task.name != "shard-0":
            self.closing.wait(0.3)


def test_first_error_ends_the_run_and_closes_the_workers(run):
    with pytest.raises(DataError, match="shard-2 cannot be made"):
        run(TASKS, FailingWorker, num_workers=3, on_event=lambda event: None)


def test_interrupt_while_told_ends_the_run(run):
    def interrupt(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(TASKS, Worker, num_workers=2, on_event=interrupt)
