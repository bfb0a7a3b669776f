"""Watches the memory of an extraction of many videos: python -m tests.benchmarks.memory.

Prints the resident memory of the caller and of its worker process after every so many videos. It is flat if the second
half adds next to nothing.
"""

import argparse
import functools
import itertools
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepfake_tf.extraction import extract_bounded, warm_up
from deepfake_tf.schema import ClipSpec, Limits
from deepfake_tf.workers import WorkerPool
from tests.benchmarks.made_set import made_entries


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def children() -> list[int]:
    own = os.getpid()
    paths = Path(f"/proc/{own}/task").glob("*/children")
    return [int(pid) for path in paths for pid in path.read_text().split()]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--every", type=int, default=25, help="videos between two looks")
    parser.add_argument("--folder", type=Path, help="videos to take in turn (default: synthetic ones)")
    arguments = parser.parse_args(argv)
    spec = ClipSpec()
    with tempfile.TemporaryDirectory() as folder:
        found = sorted(path for path in arguments.folder.rglob("*") if path.is_file()) if arguments.folder else None
        paths = found or [entry.path for entry in made_entries(Path(folder), 16)]
        seen: list[tuple[int, float, float]] = []
        with WorkerPool(1, limits=Limits(), initializer=functools.partial(warm_up, spec)) as pool:
            for number, path in enumerate(itertools.islice(itertools.cycle(paths), arguments.videos), start=1):
                extract_bounded(pool, path, spec)
                if number % arguments.every == 0:
                    seen.append((number, resident_mib(os.getpid()), sum(resident_mib(pid) for pid in children())))
                    print("{:5d} videos: caller {:7.1f} MiB, worker {:7.1f} MiB".format(*seen[-1]), flush=True)
    later = np.array(seen[len(seen) // 2 :])
    for name, column in (("caller", 1), ("worker", 2)):
        slope = np.polyfit(later[:, 0], later[:, column], 1)[0]
        print(f"{name}: {slope * 100:+.2f} MiB per 100 videos over the second half")
    return 0


if __name__ == "__main__":
    sys.exit(main())
