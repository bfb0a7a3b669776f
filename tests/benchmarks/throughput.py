"""Measures how much faster two processes are than one: python -m tests.benchmarks.throughput.

The two are timed in turn, several times, and the best of each counts: other work on the machine only makes them slower.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf.data_folder import ShardSettings
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.runners import RunSettings, Standing, extract_manifest
from deepfake_tf.schema import ClipSpec
from tests.benchmarks.made_set import made_entries


def videos_per_sec(entries: list[VideoEntry], data_dir: Path, num_workers: int) -> float:
    """The rate from the first video on: loading the face detector, once a worker, is not of interest here."""
    moments: list[float] = []

    def note(standing: Standing) -> None:
        if standing.num_done:
            moments.append(time.monotonic())

    settings = ShardSettings(ClipSpec(), videos_per_shard=4)
    extract_manifest(entries, data_dir, settings, run=RunSettings(num_workers=num_workers), on_progress=note)
    shutil.rmtree(data_dir)
    # Each worker's first video comes after its loading.
    begin, done = moments[num_workers - 1], len(moments) - num_workers
    return done / (moments[-1] - begin)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args(argv)
    best = {1: 0.0, arguments.workers: 0.0}
    with tempfile.TemporaryDirectory() as folder:
        entries = made_entries(Path(folder), arguments.videos)
        for number in range(arguments.rounds):
            for num_workers in best:
                rate = videos_per_sec(entries, Path(folder) / "data", num_workers)
                best[num_workers] = max(best[num_workers], rate)
                print(f"round {number + 1}: {num_workers} processes, {rate:.2f} videos/s", flush=True)
    ratio = best[arguments.workers] / best[1]
    print(f"{arguments.workers} processes: {ratio:.2f} times the throughput of one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
