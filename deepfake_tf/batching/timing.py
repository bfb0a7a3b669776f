"""Where the time of a pipeline goes: seconds by stage, gathered from all threads, read at any moment."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from deepfake_tf import atomic

_T = TypeVar("_T")


class Timing:
    """Adds up time by stage; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begin = time.perf_counter()
        self._seconds: dict[str, float] = defaultdict(float)
        self._counts: dict[str, int] = defaultdict(int)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time that the block takes to a stage."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begin
            with self._lock:
                self._seconds[name] += spent
                self._counts[name] += 1

    def watch(self, batches: Iterable[_T]) -> Iterator[_T]:
        """Yields what it is given and adds the time that was waited for it to the stage "wait"."""
        iterator = iter(batches)
        while True:
            try:
                with self.stage("wait"):
                    batch = next(iterator)
            except StopIteration:
                return
            yield batch

    def snapshot(self) -> dict[str, dict[str, float]]:
        """Returns by stage how often it ran, its seconds in all threads together and its milliseconds each time.

        "elapsed" is the wall-clock time since this object was made.
        """
        with self._lock:
            stages = {name: (self._counts[name], seconds) for name, seconds in self._seconds.items()}
        stages["elapsed"] = (1, time.perf_counter() - self._begin)
        return {
            name: {"count": count, "total_sec": seconds, "each_ms": 1000 * seconds / count}
            for name, (count, seconds) in stages.items()
        }

    def write(self, path: Path) -> None:
        """Writes the snapshot as a JSON file."""
        atomic.write_whole(path, (json.dumps(self.snapshot(), indent=2) + "\n").encode())

    def to_text(self) -> str:
        """Returns the snapshot as lines to print."""
        return _text(self.snapshot())


def read_text(path: Path) -> str:
    """Returns the snapshot in a file that `write` made as lines to print; none if there is no such file."""
    return _text(json.loads(path.read_text())) if path.is_file() else ""


def _text(snapshot: Mapping[str, Mapping[str, float]]) -> str:
    return "\n".join(
        f"{name:<10}{one['count']:>8.0f} x {one['each_ms']:>9.3f} ms = {one['total_sec']:>8.2f} s"
        for name, one in snapshot.items()
    )
