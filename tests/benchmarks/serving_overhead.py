"""What the gateway adds, and what batching brings: python -m tests.benchmarks.serving_overhead VIDEO.

Overhead: the time of a whole call at the gateway against extraction in a worker and Predict alone, in turn, medians.
Batching: the same clips in few requests or in many.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
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


def batching(servers: Servers, path: Path, num_clips: int, num_rounds: int) -> None:
    """Prints how many clips a second are judged, by how many are in one request."""
    predictor = TFServingPredictor(servers.model_target)
    spec = predictor.spec()
    with WorkerPool(1) as pool:
        found = extract_bounded(pool, path, spec.clip_spec).clips
    clips = [found[number % len(found)] for number in range(num_clips)]
    crops, mask = [clip.crops for clip in clips], np.stack([clip.mask for clip in clips])

    def judge(size: int) -> None:
        for begin in range(0, num_clips, size):
            predictor.predict(crops[begin : begin + size], mask[begin : begin + size], spec=spec)

    sizes = [2**power for power in range(num_clips.bit_length()) if 2**power <= num_clips]
    for size in sizes:
        judge(size)
    # In turn, so that all have the same machine.
    times = [[timed_sec(lambda: judge(size)) for size in sizes] for _ in range(num_rounds)]  # noqa: B023
    for size, column in zip(sizes, zip(*times, strict=True), strict=True):
        print(f"{size:3d} clips in a request: {num_clips / statistics.median(column):6.1f} clips/s", flush=True)
    predictor.close()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--crop-size-px", type=int, default=CLIP_SPEC.crop_size_px)
    arguments = parser.parse_args(argv)
    spec = replace(CLIP_SPEC, crop_size_px=arguments.crop_size_px)
    with served(spec=spec) as servers:
        overhead(servers, arguments.video, arguments.rounds)
        batching(servers, arguments.video, arguments.clips, arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
