"""What the gateway adds, and what batching brings: python -m tests.benchmarks.serving_overhead VIDEO.

Overhead: the time of a whole call at the gateway against extraction in a worker and Predict alone, in turn, medians.
Batching: the clips of many videos in one request against one request each.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from deepfake_tf.extraction import extract_bounded
from deepfake_tf.predictors.tf_serving import TFServingPredictor
from deepfake_tf.workers import WorkerPool
from serving.client import Client
from tests.benchmarks.serving_setup import CLIP_SPEC, Servers, served


def timed_sec(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def overhead(servers: Servers, path: Path, num_rounds: int) -> float:
    """Returns gateway time over extraction and Predict alone."""
    predictor = TFServingPredictor(servers.model_target)
    spec = predictor.spec()
    whole, alone = [], []
    with Client(servers.target) as client, WorkerPool(1) as pool:

        def directly() -> None:
            clips = extract_bounded(pool, path, spec.clip_spec).clips
            predictor.predict([clip.crops for clip in clips], np.stack([clip.mask for clip in clips]), spec=spec)

        client.analyze(path)
        directly()
        # In turn, so that both have the same machine.
        for _ in range(num_rounds):
            whole.append(timed_sec(lambda: client.analyze(path)))
            alone.append(timed_sec(directly))
    predictor.close()
    ratio = statistics.median(whole) / statistics.median(alone)
    print(
        f"gateway {statistics.median(whole):.3f} s, alone {statistics.median(alone):.3f} s: {ratio:.3f} x", flush=True
    )
    return ratio


def batching(servers: Servers, path: Path, num_clips: int, num_rounds: int) -> float:
    """Returns how many times faster n clips are judged in one request than one by one."""
    predictor = TFServingPredictor(servers.model_target)
    spec = predictor.spec()
    with WorkerPool(1) as pool:
        found = extract_bounded(pool, path, CLIP_SPEC).clips
    clips = [found[number % len(found)] for number in range(num_clips)]
    crops, mask = [clip.crops for clip in clips], np.stack([clip.mask for clip in clips])

    def one_by_one() -> None:
        for number in range(num_clips):
            predictor.predict(crops[number : number + 1], mask[number : number + 1], spec=spec)

    def together() -> None:
        predictor.predict(crops, mask, spec=spec)

    one_by_one(), together()
    times = [(timed_sec(one_by_one), timed_sec(together)) for _ in range(num_rounds)]
    single, whole = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{num_clips} clips: one by one {num_clips / single:.1f} clips/s, together {num_clips / whole:.1f} clips/s")
    print(f"together is {single / whole:.2f} x as fast", flush=True)
    predictor.close()
    return single / whole


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clips", type=int, default=16)
    arguments = parser.parse_args(argv)
    with served() as servers:
        overhead(servers, arguments.video, arguments.rounds)
        batching(servers, arguments.video, arguments.clips, arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
