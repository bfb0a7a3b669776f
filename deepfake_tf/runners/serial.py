"""One shard after the other: the plainest way, and the one to look at when something is odd."""

from collections.abc import Sequence

from deepfake_tf.runners import OnEvent, OpenWorker, RunSettings, ShardTask


def run(tasks: Sequence[ShardTask], open_worker: OpenWorker, *, settings: RunSettings, on_event: OnEvent) -> None:
    """Does all tasks in order with one worker.

    Args:
        tasks: the shards to make.
        open_worker: gives the worker.
        settings: not used; there is one worker.
        on_event: told of each video and shard, on this thread.
    """
    with open_worker() as work:
        for task in tasks:
            work(task, on_event)
