"""Extraction against OpenCV's bare pass: python -m tests.benchmarks.extraction [--rounds 5 | --together 90] ....

Each round times, on each video of 1920 x 1080 pixels and 300 frames, OpenCV's pass that grabs every frame and retrieves
32 of them, and then whole extractions: 32 spread frames, and 4 clips of 8 consecutive frames, each with its faces
found, cut out and encoded. One process, one thread each; processor time, because other programs may be running. The
table gives the best of the rounds, as seconds and as a multiple of OpenCV's.

On a machine that others share a pass takes a fifth more or less from one minute to the next, and so does the best of a
few. With --together all of them run at once, each a process of its own on the same core, for so many seconds: whatever
slows the machine slows them alike, and their medians are compared.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import cv2

from deepfake_tf.extraction import extract, warm_up
from deepfake_tf.schema import ClipSpec, Outcome
from tests.benchmarks.real_videos import bench_videos

_BARE = "OpenCV"
_BARS = {"spread": 0.75, "even": 1.15}
_NUM_RETRIEVED = 32

Work = Callable[[Path], None]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--together", type=float, metavar="SECONDS", help="all at once on one core, for each video")
    parser.add_argument("--detect-every", type=int, nargs="+", default=[1, 4])
    chosen = parser.parse_args(argv)
    if not bench_videos():
        sys.exit("The folder of real videos has no bench/*_1080p_300f.mp4.")
    cv2.setNumThreads(1)
    works: dict[str, Work] = {_BARE: _bare_pass}
    for placement in _BARS:
        for every in chosen.detect_every:
            spec = ClipSpec(placement=placement, detect_every=every)
            warm_up(spec)
            works[f"{placement}, detect_every {every}"] = partial(_extract, spec=spec)
    for path in bench_videos():
        if chosen.together:
            _print_table(path, _together_sec(works, path, chosen.together))
        else:
            _print_table(path, _best_sec(works, path, chosen.rounds))
    return 0


def _bare_pass(path: Path) -> None:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    num_frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = {num_frames * (2 * number + 1) // (2 * _NUM_RETRIEVED) for number in range(_NUM_RETRIEVED)}
    for index in range(num_frames):
        if not capture.grab():
            sys.exit(f"OpenCV could not read frame {index} of {path.name}.")
        if index in wanted:
            capture.retrieve()


def _extract(path: Path, spec: ClipSpec) -> None:
    extraction = extract(path, spec)
    if extraction.outcome is not Outcome.OK:
        sys.exit(f"{path.name}: {extraction.outcome} {extraction.reason}")


def _best_sec(works: dict[str, Work], path: Path, rounds: int) -> dict[str, float]:
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, work in works.items():
            begin = time.process_time()
            work(path)
            taken[name].append(time.process_time() - begin)
    return {name: min(seconds) for name, seconds in taken.items()}


def _together_sec(works: dict[str, Work], path: Path, seconds: float) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(len(works)), context.Queue()
    core = min(os.sched_getaffinity(0))
    contenders = [
        context.Process(target=_run_beside, args=(name, work, path, seconds, core, barrier, results))
        for name, work in works.items()
    ]
    for one in contenders:
        one.start()
    taken: dict[str, float] = dict(results.get() for _ in contenders)
    for one in contenders:
        one.join()
    return {name: taken[name] for name in works}


def _run_beside(
    name: str, work: Work, path: Path, seconds: float, core: int, barrier: Barrier, results: "Queue[tuple[str, float]]"
) -> None:
    """Passes of one contender while the others are at theirs; the first pass, which loads things, does not count."""
    os.sched_setaffinity(0, {core})
    cv2.setNumThreads(1)
    work(path)
    barrier.wait()
    taken = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.process_time()
        work(path)
        taken.append(time.process_time() - begin)
    results.put((name, statistics.median(taken)))


def _print_table(path: Path, best_sec: dict[str, float]) -> None:
    print(f"\n{path.name}: CPU seconds, as a multiple of OpenCV's pass, and the bar")
    for name, seconds in best_sec.items():
        bar = _BARS.get(name.split(",")[0])
        print(f"  {name:24} {seconds:6.2f}  {seconds / best_sec[_BARE]:5.2f}  {bar or ''}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
