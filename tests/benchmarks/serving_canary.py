"""A canary's share, and its end: python -m tests.benchmarks.serving_canary VIDEO --share 0.2.

Two versions are served by the embedded server under the labels stable and canary. Each request must be judged by the
version that its id chooses, the canary's share must be what was asked for but for chance, and when the canary's folder
is taken away midway every video must go on to have a verdict, stable's, and be counted.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from serving import models
from serving.async_client import AsyncClient
from tests.benchmarks.serving_setup import Servers, servable

LABELS = ("--label", "stable=1", "--label", "canary=2")


async def judge(target: str, path: Path, ids: Sequence[str]) -> dict[str, int]:
    """Returns the version that judged for each id; eight are on their way at a time."""
    turn = asyncio.Semaphore(8)
    async with AsyncClient(target) as client:

        async def one(request_id: str) -> int:
            async with turn:
                return (await client.analyze(path, request_id=request_id)).model.version

        return dict(zip(ids, await asyncio.gather(*map(one, ids)), strict=True))


async def run(servers: Servers, canary: Path, arguments: argparse.Namespace) -> int:
    ids = [uuid.uuid4().hex for _ in range(arguments.requests)]
    chosen = {one for one in ids if models.place(one) < arguments.share}
    found = await judge(servers.target, arguments.video, ids)
    count = Counter(found.values())
    spread = (arguments.share * (1 - arguments.share) / len(ids)) ** 0.5
    print(
        f"judged by version: {dict(count)}; the canary's share {count[2] / len(ids):.3f}, asked for {arguments.share}"
    )
    print(f"chance alone: +- {2 * spread:.3f} (two standard deviations of {len(ids)} requests)")
    follows = all((version == 2) == (one in chosen) for one, version in found.items())
    print(f"each by the version that its id chooses: {follows}")
    shutil.move(canary, canary.parent / ".gone")
    servers.model_server.wait_for("unloaded detector version 2")
    after = Counter((await judge(servers.target, arguments.video, ids)).values())
    failures = servers.count("deepfake_canary_failures_total")
    print(f"with the canary gone: {dict(after)}; counted as its failures: {failures:.0f} of {len(chosen)} in its share")
    within = abs(count[2] / len(ids) - arguments.share) <= 4 * spread
    return int(not (follows and within and after == {1: len(ids)} and failures == len(chosen)))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--share", type=float, default=0.2)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        base_path = Path(folder) / "detector"
        servable(base_path)
        shutil.copytree(base_path / "1", base_path / "2")
        canary_flags = ("--model-label", "stable", "--canary-label", "canary", "--canary-share", arguments.share)
        servers = Servers(base_path, *canary_flags, model_flags=LABELS)
        try:
            return asyncio.run(run(servers, base_path / "2", arguments))
        finally:
            servers.stop()


if __name__ == "__main__":
    sys.exit(main())
