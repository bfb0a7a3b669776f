"""Shards made all over a Ray cluster that is already running; those of a node that is lost are made again elsewhere.

Needs the extra `ray` here, and the same deepfake-tf on every node. Videos and shards lie on storage that all nodes
share, under the same paths.
"""

import functools
import logging
import os
import pickle
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deepfake_tf import __version__
from deepfake_tf.errors import ConfigError, WorkerCrashError
from deepfake_tf.runners import Event, OnEvent, OpenWorker, RunSettings, ShardTask, Worker

if TYPE_CHECKING:
    import ray

LOCAL_CLUSTER = "auto"
# Of one task, when nodes are lost; that a video kills its worker process is not counted, it costs only the video.
MAX_RETRIES = 10

_ANSWER_LIMIT_SEC = 10.0


def run(tasks: Sequence[ShardTask], open_worker: OpenWorker, *, settings: RunSettings, on_event: OnEvent) -> None:
    """Does all tasks, each on a processor of some node; the videos of a shard are told when it is finished.

    Args:
        tasks: the shards to make.
        open_worker: gives a worker.
        settings: the cluster's address, and how many shards may be made at a time: as many as there are processors if
            num_workers is None.
        on_event: told of each video and shard, on this thread.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster, or its nodes have another deepfake-tf.
        WorkerCrashError: a task was lost with its node again and again.
    """
    with _connected(settings.address or os.environ.get("RAY_ADDRESS") or LOCAL_CLUSTER):
        import ray

        remote = ray.remote(num_cpus=1, max_retries=MAX_RETRIES)(_make_shard)
        packed = pickle.dumps(open_worker)
        todo = list(tasks)[::-1]
        running: list[ray.ObjectRef] = []
        try:
            while todo or running:
                while todo and len(running) < (settings.num_workers or len(tasks)):
                    running.append(remote.remote(packed, todo.pop(), __version__))
                done, running = ray.wait(running)
                for event in _result(done[0]):
                    on_event(event)
        finally:
            for one in running:
                ray.cancel(one, force=True)


@contextmanager
def _connected(address: str) -> Iterator[None]:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ConfigError('Ray is not installed. Install it: pip install "deepfake-tf[ray]"') from error
    if ray.is_initialized():
        yield
        return
    try:
        _check_answers(address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"There is no Ray cluster at {address!r} ({error}). Start one with: ray start --head, and name it: "
            "--ray-address HOST:6379"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raises OSError at once where Ray itself would go on trying for a quarter of an hour."""
    host, colon, port = address.rpartition(":")
    if colon and "/" not in host:
        socket.create_connection((host, int(port)), timeout=_ANSWER_LIMIT_SEC).close()


def _result(reference: "ray.ObjectRef") -> list[Event]:
    import ray

    try:
        events: list[Event] = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # As it was raised there; Ray's own message is the whole traceback.
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise WorkerCrashError(f"A shard could not be made after {MAX_RETRIES} retries: {error}") from error
    return events


def _make_shard(packed: bytes, task: ShardTask, version: str) -> list[Event]:
    """Runs on a node."""
    if version != __version__:
        raise ConfigError(
            f"A node of the cluster has deepfake-tf {__version__}, and the caller {version}. Make them equal."
        )
    events: list[Event] = []
    _worker(packed)(task, events.append)
    return events


@functools.cache
def _worker(packed: bytes) -> Worker:
    # Never closed: one for all the tasks that a process of Ray's does, because a face detector is slow to load. Its own
    # process ends when that of Ray's does and the line between them breaks.
    open_worker: OpenWorker = pickle.loads(packed)
    return open_worker().__enter__()
