"""Many clients at once, and what is killed meanwhile: python -m tests.benchmarks.serving_load VIDEO [VIDEO ...].

Every client hands in one video and tries again as it is told. Each video must end with exactly one verdict, whatever is
killed with --kill; what a gateway refuses must be RESOURCE_EXHAUSTED with a hint, or UNAVAILABLE.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from serving.async_client import AsyncClient
from serving.link import CallError
from tests.benchmarks.serving_setup import Servers, served

VICTIMS = ("model-server", "worker", "gateway")


async def load(
    target: str, paths: Sequence[Path], *, num_clients: int, as_jobs: bool, deadline_sec: float = 900
) -> Counter:
    """Has `num_clients` videos judged at once, each by a client of its own; returns what became of them."""

    async def one(number: int) -> str:
        async with AsyncClient(target, retries=30) as client:
            try:
                judge = client.analyze_as_job if as_jobs else client.analyze
                return str((await judge(paths[number % len(paths)], deadline_sec=deadline_sec)).verdict)
            except CallError as error:
                return f"no verdict: {error.code.name}: {error}"

    return Counter(await asyncio.gather(*(one(number) for number in range(num_clients))))


async def watch(servers: Servers, seen: list[float]) -> None:
    """Notes the gateway's memory, again and again."""
    while True:
        seen.append(await asyncio.to_thread(servers.memory_mib))
        await asyncio.sleep(0.5)


async def kill(servers: Servers, victims: Sequence[str]) -> None:
    """Kills one after the other with SIGKILL, and starts it again where that is not the gateway's own doing."""
    for victim in victims:
        await asyncio.sleep(8)
        if victim == "worker":
            print(f"killed a worker: {servers.kill_worker()}", flush=True)
            continue
        name = victim.replace("-", "_")
        getattr(servers, name).kill()
        print(f"killed the {victim}", flush=True)
        await asyncio.sleep(2)
        await asyncio.to_thread(getattr(servers, f"start_{name}"))
        print(f"started the {victim} again", flush=True)


async def run(servers: Servers, arguments: argparse.Namespace) -> int:
    seen: list[float] = []
    idle_files = servers.num_files()
    watching = asyncio.create_task(watch(servers, seen))
    killing = asyncio.create_task(kill(servers, arguments.kill))
    begin = time.monotonic()
    found = await load(servers.target, arguments.videos, num_clients=arguments.clients, as_jobs=arguments.job)
    took_sec = time.monotonic() - begin
    await killing
    watching.cancel()
    refused = servers.count(r'deepfake_calls_total\{code="RESOURCE_EXHAUSTED"')
    lost = sum(count for what, count in found.items() if what.startswith("no verdict"))
    print(f"{arguments.clients} clients: {dict(found)} in {took_sec:.1f} s; {lost} without a verdict")
    print(f"refused with a hint (by the gateway that runs now): {refused:.0f}")
    print(f"memory of gateway and workers: {seen[0]:.0f} MiB at first, {max(seen):.0f} at most, {seen[-1]:.0f} at last")
    print(f"descriptors: {idle_files} before, {servers.num_files()} after; uploads left: {servers.uploads()}")
    return int(lost > 0 or servers.uploads() > 0)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--job", action="store_true")
    parser.add_argument("--kill", nargs="*", choices=VICTIMS, default=[])
    parser.add_argument("--max-calls", type=int, default=32)
    arguments = parser.parse_args(argv)
    with served("--max-calls", arguments.max_calls) as servers:
        return asyncio.run(run(servers, arguments))


if __name__ == "__main__":
    sys.exit(main())
