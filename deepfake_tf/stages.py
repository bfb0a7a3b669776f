"""The screen of a command that runs several stages: headings, progress, times; what libraries write goes to a log."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console

NEWS_SEC = 15.0
"""How often a line says how far a stage is, where the screen is no terminal."""


class Tell(Protocol):
    """Takes how much is done, of how much, and a few words on it."""

    def __call__(self, done: int | None, total: int | None, news: str = "") -> None:
        """Shows it."""


class Stages:
    """Shows one stage after the other.

    Attributes:
        times_sec: how long each finished stage took, by name, in order.
    """

    def __init__(self, console: "Console") -> None:
        """Shows nothing yet.

        Args:
            console: where to show it.
        """
        self.times_sec: dict[str, float] = {}
        self._console = console

    def say(self, text: str) -> None:
        """Prints a line below the heading."""
        self._console.print(f"   {text}")

    @contextlib.contextmanager
    def stage(self, name: str, about: str) -> Iterator[Tell]:
        """Prints a heading, shows a progress bar, and in the end the time that the block took.

        Args:
            name: of the stage, a word.
            about: what is done in it.

        Yields:
            What to call with news of the progress.
        """
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._console.print(f"[bold]{len(self.times_sec) + 1}. {name}[/]: {about}")
        columns = (TextColumn("  "), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        is_terminal = self._console.is_terminal
        begin = said = time.monotonic()
        with Progress(
            *columns, TextColumn("{task.description}"), console=self._console, transient=True, disable=not is_terminal
        ) as bar:
            task = bar.add_task("", total=None)

            def tell(done: int | None, total: int | None, news: str = "") -> None:
                nonlocal said
                bar.update(task, completed=done, total=total, description=news)
                if not is_terminal and time.monotonic() - said > NEWS_SEC:
                    said = time.monotonic()
                    self.say(f"{done} of {total}  {news}".rstrip() if total else news)

            yield tell
        self.times_sec[name] = time.monotonic() - begin
        self.say(f"[dim]{self.times_sec[name]:.1f} s[/]")


@contextlib.contextmanager
def log_of_libraries(path: Path) -> Iterator[TextIO]:
    """Sends what libraries write to stderr, some of it from C++ and before they can be told, to a file.

    Args:
        path: the file, which is appended to; its folder is made.

    Yields:
        The screen: stderr as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with path.open("ab") as log, os.fdopen(os.dup(kept), "w", encoding="utf-8") as screen:
            os.dup2(log.fileno(), 2)
            yield screen
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
