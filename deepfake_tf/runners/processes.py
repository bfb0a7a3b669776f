"""As many shards at a time as there are workers, each in its own process on this machine."""

import queue
import threading
from collections.abc import Sequence
from contextlib import ExitStack

from deepfake_tf.runners import Event, OnEvent, OpenWorker, RunSettings, ShardTask, Worker, num_processors

_News = Event | BaseException | None
"""What a thread tells the caller's: an event, the error it ended with, or None once nothing is left to do."""


def run(tasks: Sequence[ShardTask], open_worker: OpenWorker, *, settings: RunSettings, on_event: OnEvent) -> None:
    """Does all tasks, each worker driven by a thread of its own.

    Args:
        tasks: the shards to make.
        open_worker: gives a worker.
        settings: how many processes, as many as there are processors to use if num_workers is None.
        on_event: told of each video and shard, on this thread.
    """
    num_workers = min(settings.num_workers or num_processors(), len(tasks))
    todo: queue.SimpleQueue[ShardTask | None] = queue.SimpleQueue()
    for task in (*tasks, *[None] * num_workers):
        todo.put(task)
    news: queue.SimpleQueue[_News] = queue.SimpleQueue()
    with ExitStack() as joins, ExitStack() as workers:
        # Whatever ends the work, the workers are closed first: that ends what the threads are at, and they are joined.
        for _ in range(num_workers):
            thread = threading.Thread(target=_drive, args=(workers.enter_context(open_worker()), todo, news))
            thread.start()
            joins.callback(thread.join)
        _tell(news, num_workers, on_event)


def _drive(worker: Worker, todo: "queue.SimpleQueue[ShardTask | None]", news: "queue.SimpleQueue[_News]") -> None:
    try:
        while (task := todo.get()) is not None:
            worker(task, news.put)
    except BaseException as error:
        news.put(error)
    else:
        news.put(None)


def _tell(news: "queue.SimpleQueue[_News]", num_running: int, on_event: OnEvent) -> None:
    while num_running:
        one = news.get()
        if one is None:
            num_running -= 1
        elif isinstance(one, BaseException):
            raise one
        else:
            on_event(one)
