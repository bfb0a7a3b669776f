"""One shard after the other: the plainest way, and the one to look at when something is odd."""

from collections.abc import Sequence

from deepfake_tf.runners import OnEvent, OpenWorker, ShardTask


def run(tasks: Sequence[ShardTask], open_worker: OpenWorker, *, num_workers: int, on_event: OnEvent) -> None:
    """Does all tasks in order with one worker.

    Args:
        tasks: the shards to make.
        open_worker: gives the worker.
        num_workers: not used; there is one.
        on_event: told of each video and shard, on this thread.
    """
    with open_worker() as work:
        for task in tasks:
            work(task, on_event)
