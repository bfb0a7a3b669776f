"""Kills an extraction at random moments and lets it go on: python -m tests.benchmarks.kill_and_resume.

Every run that ends, however often it was killed before, must hold the same bytes as one that never was.
"""

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.made_set import made_entries

ROOT = Path(__file__).parent.parent.parent


def extract(work_dir: Path, name: str, runner: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipelines.extract", str(work_dir / "manifest.csv"), "--out", str(work_dir / name)]
    flags = ["--runner", runner, "--num-workers", "2", "--videos-per-shard", "2", "--crop-size-px", "64"]
    return subprocess.Popen([*command, *flags], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run_whole(work_dir: Path, name: str, runner: str) -> float:
    begin = time.monotonic()
    with extract(work_dir, name, runner) as process:
        if process.wait() != 0:
            raise SystemExit(f"The extraction into {name} failed.")
    return time.monotonic() - begin


def checksums(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--videos", type=int, default=48)
    parser.add_argument("--runner", choices=("serial", "processes"), default="processes")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        made_entries(work_dir, arguments.videos)
        whole_sec = run_whole(work_dir, "whole", "serial")
        expected = checksums(work_dir / "whole")
        print(f"one run of {arguments.videos} videos: {whole_sec:.1f} s, {len(expected)} files", flush=True)
        killed, ended, moments = 0, 0, []
        while killed < arguments.kills:
            begin = time.monotonic()
            with extract(work_dir, "data", arguments.runner) as process:
                try:
                    process.wait(rng.uniform(0, whole_sec))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
                    shards = len(list((work_dir / "data").glob("*.tfrecord")))
                    moments.append(f"{time.monotonic() - begin:.1f} s ({shards} shards)")
                    continue
            ended += check(work_dir, expected)
        run_whole(work_dir, "data", arguments.runner)
        ended += check(work_dir, expected)
    print(f"killed {killed} times, after {', '.join(moments)}")
    print(f"{ended} runs came to their end, each with the same bytes in all {len(expected)} files")
    return 0


def check(work_dir: Path, expected: dict[str, str]) -> int:
    found = checksums(work_dir / "data")
    if found != expected:
        differ = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise SystemExit(f"These files are not what they should be: {', '.join(differ)}")
    shutil.rmtree(work_dir / "data")
    return 1


if __name__ == "__main__":
    sys.exit(main())
