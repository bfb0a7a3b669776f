"""Damaged files go through the bounded workers: python -m tests.benchmarks.damage [--num-variants 1000] [--seed 0].

Variants of real files: bytes flipped, the end cut off, a block zeroed, a container's box renamed or given a wrong
length. Each must come back with an outcome within its time limit; the program fails if one does not.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np

from deepfake_tf.errors import WorkerError
from deepfake_tf.extraction import Extraction, stopped, submit_extraction, warm_up
from deepfake_tf.schema import ClipSpec, Limits
from deepfake_tf.workers import WorkerPool
from tests.benchmarks.real_videos import videos

Damage = Callable[[bytearray, np.random.Generator], None]
_MOST_BYTES = 1_500_000
_BATCH = 50
_BOXES = (b"moov", b"trak", b"mdia", b"stbl", b"stsd", b"stts", b"stsz", b"stco", b"stsc", b"ctts", b"avcC", b"mdat")


def flip_bytes(data: bytearray, random: np.random.Generator) -> None:
    for place in random.integers(0, len(data), random.integers(1, 200)):
        data[place] ^= int(random.integers(1, 256))


def cut_off(data: bytearray, random: np.random.Generator) -> None:
    del data[int(random.integers(0, len(data))) :]


def zero_block(data: bytearray, random: np.random.Generator) -> None:
    begin = int(random.integers(0, len(data)))
    end = min(len(data), begin + int(random.integers(1, 20_000)))
    data[begin:end] = bytes(end - begin)


def damage_header(data: bytearray, random: np.random.Generator) -> None:
    for place in random.integers(0, min(len(data), 4096), 8):
        data[place] = int(random.integers(0, 256))


def damage_box(data: bytearray, random: np.random.Generator) -> None:
    """Gives a box of an MP4 another length or name, or changes what it holds; flips bytes where there is none."""
    places = [place for box in _BOXES if (place := bytes(data).find(box)) >= 4]
    if not places:
        return flip_bytes(data, random)
    place = int(random.choice(places))
    kind = int(random.integers(3))
    begin = (place - 4, place, place + 4 + int(random.integers(0, 64)))[kind]
    data[begin : begin + 4] = random.bytes(4)


_DAMAGES: tuple[Damage, ...] = (flip_bytes, cut_off, zero_block, damage_header, damage_box)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-variants", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num-workers", type=int, default=2)
    chosen = parser.parse_args(argv)
    sources = [one.path for one in videos() if 0 < one.path.stat().st_size <= _MOST_BYTES]
    spec = ClipSpec(num_frames=4, clips_per_video=2)
    limits = Limits(time_limit_sec=60, memory_limit_bytes=2 * 1024**3)
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    longest_sec = 0.0
    with (
        WorkerPool(chosen.num_workers, initializer=partial(warm_up, spec)) as pool,
        tempfile.TemporaryDirectory() as tmp,
    ):
        for first in range(0, chosen.num_variants, _BATCH):
            numbers = range(first, min(first + _BATCH, chosen.num_variants))
            paths = [_write_variant(Path(tmp), sources, number, chosen.seed) for number in numbers]
            for number, extraction, took_sec in _extracted(pool, paths, spec, limits):
                outcomes[extraction.outcome] += 1
                longest_sec = max(longest_sec, took_sec)
                if extraction.video is None and extraction.reason.startswith("Extraction was stopped"):
                    reasons[f"variant {first + number}: {extraction.reason}"] += 1
            for path in paths:
                path.unlink()
            print(f"{numbers[-1] + 1} done", end="\r", flush=True)
    print(f"{sum(outcomes.values())} of {chosen.num_variants} variants of {len(sources)} files accounted for")
    print(", ".join(f"{name} {count}" for name, count in outcomes.most_common()))
    print(f"the longest took {longest_sec:.1f} s of {limits.time_limit_sec:g} s allowed")
    print("\n".join(reasons) or "no worker was stopped or died")
    return 0 if sum(outcomes.values()) == chosen.num_variants and longest_sec < limits.time_limit_sec + 10 else 1


def _write_variant(folder: Path, sources: Sequence[Path], number: int, seed: int) -> Path:
    random = np.random.default_rng((seed, number))
    source = sources[int(random.integers(len(sources)))]
    data = bytearray(source.read_bytes())
    _DAMAGES[number % len(_DAMAGES)](data, random)
    path = folder / f"{number}{source.suffix}"
    path.write_bytes(data)
    return path


def _extracted(
    pool: WorkerPool, paths: Sequence[Path], spec: ClipSpec, limits: Limits
) -> list[tuple[int, Extraction, float]]:
    # One task a worker at a time, so that the time a task took is its own.
    found: list[tuple[int, Extraction, float]] = []
    running: list[tuple[int, float, Future[Extraction]]] = []
    for number, path in enumerate(paths):
        running.append((number, time.monotonic(), submit_extraction(pool, path, spec, limits=limits)))
        if len(running) == pool.num_workers:
            found.append(_finished(*running.pop(0)))
    return found + [_finished(*one) for one in running]


def _finished(number: int, begun: float, future: "Future[Extraction]") -> tuple[int, Extraction, float]:
    try:
        extraction = future.result()
    except WorkerError as error:
        extraction = stopped(error)
    return number, extraction, time.monotonic() - begun


if __name__ == "__main__":
    raise SystemExit(main())
