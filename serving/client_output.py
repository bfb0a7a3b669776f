"""What the client's command shows: how far each video is, and what became of it, for people or as JSON."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Self

from deepfake_tf.judging import verdict
from deepfake_tf.judging.verdict import Answer, Verdict
from serving.async_client import UPLOAD_STAGE
from serving.link import CallError

_STYLES = {
    Answer.REAL: "bold green",
    Answer.FAKE: "bold red",
    Answer.INCONCLUSIVE: "bold yellow",
    Answer.NO_FACE: "bold yellow",
    Answer.UNREADABLE: "bold yellow",
}


class Output:
    """Results on stdout; on stderr a line for each video on its way, and one for all of them, where a person looks."""

    def __init__(self, num_videos: int, *, as_json: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._out, self._err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False)
        self._as_json = as_json
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        disable = not self._err.is_terminal
        self._progress = Progress(*columns, console=self._err, transient=True, disable=disable)
        self._all = self._progress.add_task("all videos", total=num_videos, visible=num_videos > 1)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextlib.contextmanager
    def started(self, name: str) -> Iterator[Callable[[str, float], None]]:
        """Shows a video as long as the block runs; yields what takes how far it is."""
        task = self._progress.add_task(f"{name}: {UPLOAD_STAGE}", total=1.0)
        try:
            yield lambda stage, share: self._progress.update(task, description=f"{name}: {stage}", completed=share)
        finally:
            self._progress.remove_task(task)
            self._progress.advance(self._all)

    def show(self, name: str, result: Verdict | CallError) -> None:
        """Prints what became of a video."""
        # The bars are taken away meanwhile: on a terminal they would share the line.
        self._progress.stop()
        self._print(name, result)
        self._progress.start()

    def _print(self, name: str, result: Verdict | CallError) -> None:
        if self._as_json:
            self._out.out(_to_json(name, result), highlight=False)
            return
        from rich.text import Text

        line = Text(f"{name}: ")
        if isinstance(result, CallError):
            self._out.print(line.append("no verdict", "bold red").append(f", {result.code.name}: {result}"))
            return
        first, *others = verdict.describe(result)
        word = str(result.verdict)
        self._out.print(line.append(word, _STYLES[result.verdict]).append(first.removeprefix(word)))
        for other in others:
            self._out.print(Text(other))

    def say(self, text: str) -> None:
        """Prints a line for people, beside the results."""
        self._err.print(text)


def _to_json(name: str, result: Verdict | CallError) -> str:
    """Returns one line: the canonical JSON of a VideoResult."""
    if isinstance(result, CallError):
        return json.dumps({"name": name, "failure": {"code": result.code.name, "message": str(result)}})
    return json.dumps({"name": name, "verdict": result.to_json()})
