"""Good and hostile calls for many minutes: python -m tests.benchmarks.serving_soak VIDEO [VIDEO ...] --minutes 30.

Memory must be flat: the gateway's, that of each of its workers, and all together. What they hold goes up and down with
what they do, so that the least of each two minutes is judged, which is what they keep, after a warm-up and while calls
come in: growth is a slope above twice its standard error, and the slope must be known well enough to rule out a growth
that would matter.
"""

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.judging.verdict import Verdict
from serving.async_client import AsyncClient
from serving.link import CallError
from tests.benchmarks import serving_hostile
from tests.benchmarks.serving_setup import Servers, served

_MATTERS_MIB_AN_HOUR = 60.0
_BLOCK_SEC = 120.0
_KEPT_SEC = 60.0
_NUM_HOSTILE = 14


async def callers(target: str, paths: Sequence[Path], end: float, every_sec: float, counts: Counter[str]) -> None:
    """Has videos judged in turn, one begun every so many seconds, by a call and as a job."""
    async with AsyncClient(target) as client, asyncio.TaskGroup() as running:

        async def as_job(path: Path) -> Verdict:
            job = await client.submit(path, keep_sec=_KEPT_SEC)
            return await client.wait(job.job_id)

        async def one(judge: Callable[[Path], Awaitable[Verdict]], path: Path) -> None:
            try:
                await judge(path)
                counts["verdicts"] += 1
            except CallError as error:
                counts[error.code.name] += 1

        for judge, path in zip(itertools.cycle([client.analyze, as_job]), itertools.cycle(paths)):
            if time.monotonic() > end:
                return
            running.create_task(one(judge, path))
            await asyncio.sleep(every_sec)


def slope(at_sec: NDArray[np.float64], mib: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the slope of the least held in each two minutes, in MiB an hour, and twice its standard error."""
    blocks = (at_sec // _BLOCK_SEC).astype(int)
    hours = np.array([at_sec[blocks == block].mean() for block in np.unique(blocks)]) / 3600
    least = np.array([mib[blocks == block].min() for block in np.unique(blocks)])
    if len(least) < 4:
        return np.nan, np.nan
    (steep, _), covariance = np.polyfit(hours, least, 1, cov=True)
    return float(steep), 2 * float(np.sqrt(covariance[0, 0]))


def is_flat(name: str, seen: Sequence[tuple[float, dict[str, float]]]) -> bool:
    """Prints how a process' memory went, and returns whether it is flat."""
    found = np.array([(at, mib[name]) for at, mib in seen if name in mib])
    steep, error = slope(found[:, 0], found[:, 1])
    flat = steep <= error and steep + error <= _MATTERS_MIB_AN_HOUR
    print(
        f"{name}: {found[0, 1]:.1f} MiB after the warm-up, {found[-1, 1]:.1f} at the end, {found[:, 1].min():.1f} to "
        f"{found[:, 1].max():.1f}; {steep:+.1f} +- {error:.1f} MiB an hour: {'flat' if flat else 'NOT FLAT'}"
    )
    return bool(flat)


async def run(servers: Servers, arguments: argparse.Namespace) -> int:
    begin = time.monotonic()
    end = begin + arguments.minutes * 60
    counts: Counter[str] = Counter()
    calling = asyncio.create_task(callers(servers.target, arguments.videos, end, arguments.video_sec, counts))
    seen: list[tuple[float, dict[str, float]]] = []
    while time.monotonic() < end:
        found = await asyncio.to_thread(serving_hostile.attack, servers.target, _NUM_HOSTILE, seed=len(seen))
        counts["hostile"] += found.total()
        await asyncio.sleep(arguments.every_sec)
        seen.append((time.monotonic() - begin, await asyncio.to_thread(servers.processes_mib)))
        at, held = seen[-1]
        parts = " + ".join(f"{mib:.1f}" for mib in held.values())
        print(f"{at / 60:5.1f} min: {parts} MiB, {servers.num_files()} descriptors, {dict(counts)}", flush=True)
    await calling
    judged = [(at, held) for at, held in seen if arguments.warm_up_minutes * 60 <= at <= end - begin]
    later = [(at, {**held, "total": sum(held.values())}) for at, held in judged]
    print(f"criterion: no slope above twice its error, nor perhaps above {_MATTERS_MIB_AN_HOUR:.0f} MiB an hour")
    flat = [is_flat(name, later) for name in later[-1][1]]
    print(f"{dict(counts)}; uploads left: {servers.uploads()}; descriptors: {servers.num_files()}")
    return int(not all(flat) or servers.uploads() > 0 or counts["verdicts"] + counts["hostile"] < counts.total())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--warm-up-minutes", type=float, default=5)
    parser.add_argument("--video-sec", type=float, default=2, help="between two videos")
    parser.add_argument("--every-sec", type=float, default=15, help="between two looks")
    arguments = parser.parse_args(argv)
    with served() as servers:
        return asyncio.run(run(servers, arguments))


if __name__ == "__main__":
    sys.exit(main())
