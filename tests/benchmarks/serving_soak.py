"""Good and hostile calls for many minutes: python -m tests.benchmarks.serving_soak VIDEO --minutes 30.

Memory and descriptors must be flat. The gateway's own is held to a slope over the second half; its workers' goes up and
down with what they decode: their median in the third and the last quarter is printed.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from serving.async_client import AsyncClient
from serving.link import CallError
from tests.benchmarks import serving_hostile
from tests.benchmarks.serving_setup import Servers, served

_FLAT_MIB_AN_HOUR = 60.0


async def callers(target: str, path: Path, end: float, counts: dict[str, int]) -> None:
    """Has the same video judged again and again, in turn by a call and as a job."""
    async with AsyncClient(target) as client:
        while time.monotonic() < end:
            for judge in (client.analyze, client.analyze_as_job):
                try:
                    await judge(path)
                    counts["verdicts"] += 1
                except CallError as error:
                    counts[error.code.name] = counts.get(error.code.name, 0) + 1


async def run(servers: Servers, path: Path, minutes: float, every_sec: float) -> int:
    end = time.monotonic() + minutes * 60
    counts = {"verdicts": 0, "hostile": 0}
    tasks = [asyncio.create_task(callers(servers.target, path, end, counts)) for _ in range(3)]
    seen: list[tuple[float, float, float]] = []
    begin = time.monotonic()
    while time.monotonic() < end:
        counts["hostile"] += sum((await asyncio.to_thread(serving_hostile.attack, servers.target, 10)).values())
        await asyncio.sleep(every_sec)
        seen.append((time.monotonic() - begin, *await asyncio.to_thread(servers.parts_mib)))
        at, own, workers = seen[-1]
        files = servers.num_files()
        print(f"{at / 60:5.1f} min: {own:.1f} + {workers:.1f} MiB, {files} descriptors, {counts}", flush=True)
    await asyncio.gather(*tasks)
    third, last = np.split(np.array(seen[len(seen) // 2 :]), [len(seen) // 4])
    later = np.concatenate([third, last])
    slope = np.polyfit(later[:, 0] / 3600, later[:, 1], 1)[0]
    print(f"gateway: {slope:+.1f} MiB an hour over the second half")
    print(f"workers: {np.median(third[:, 2]):.1f} MiB in the third quarter, {np.median(last[:, 2]):.1f} in the last")
    print(f"uploads left: {servers.uploads()}")
    return int(slope > _FLAT_MIB_AN_HOUR or servers.uploads() > 0)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every-sec", type=float, default=15, help="between two looks")
    arguments = parser.parse_args(argv)
    with served() as servers:
        return asyncio.run(run(servers, arguments.video, arguments.minutes, arguments.every_sec))


if __name__ == "__main__":
    sys.exit(main())
