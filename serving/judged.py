"""Labelled videos judged through a gateway: asked one by one, shown as a table, kept as a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepfake_tf import atomic
from deepfake_tf.judging.verdict import Verdict
from deepfake_tf.schema import LABEL_NAMES
from serving.client import CallError, Client

MAX_ROWS = 60
"""Verdicts that the table shows; all of them are in the file."""


@dataclass(frozen=True)
class Judged:
    """What became of one labelled video at the gateway: a verdict, or an error."""

    video_id: str
    label: int
    verdict: Verdict | None = None
    error: CallError | None = None

    @property
    def word(self) -> str:
        """The verdict, or the name of the error's status."""
        if self.verdict is None:
            return self.error.code.name if self.error else ""
        return str(self.verdict.verdict)

    @property
    def is_right(self) -> bool | None:
        """Whether the verdict is the label; None where it is neither REAL nor FAKE."""
        return self.word == LABEL_NAMES[self.label].upper() if self.word in ("REAL", "FAKE") else None


def ask(client: Client, path: Path, *, video_id: str, label: int) -> Judged:
    """Sends a video to the gateway and waits for what becomes of it."""
    try:
        return Judged(video_id, label, verdict=client.analyze(path))
    except CallError as error:
        return Judged(video_id, label, error=error)


def largest_difference(answers: Sequence[Judged], scores: Mapping[str, float]) -> float:
    """Returns how far a gateway's score lies from the one that `scores` has for the same video_id, at most."""
    served = {one.video_id: one.verdict.score for one in answers if one.verdict and one.verdict.score is not None}
    return max((abs(scores[name] - score) for name, score in served.items() if name in scores), default=0.0)


def write(answers: Sequence[Judged], path: Path) -> None:
    """Writes the verdicts and errors as JSON, whole or not at all."""
    values = [
        {"video_id": one.video_id, "label": LABEL_NAMES[one.label]}
        | ({"verdict": one.verdict.to_json()} if one.verdict else {"error": str(one.error)})
        for one in answers
    ]
    atomic.write_whole(path, (json.dumps(values, indent=2) + "\n").encode())


def print_table(answers: Sequence[Judged]) -> None:
    """Prints a row for each video, at most MAX_ROWS of them."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("video", "is", "verdict", "score", "", title="Held-out videos, judged through the gateway")
    styles = {True: "green", False: "red", None: "yellow"}
    for one in answers[:MAX_ROWS]:
        score = f"{one.verdict.score:.3f}" if one.verdict and one.verdict.score is not None else "-"
        nothing = "left open" if one.word == "INCONCLUSIVE" else "no verdict"
        mark = {True: "right", False: "wrong", None: nothing}[one.is_right]
        style = styles[one.is_right]
        table.add_row(
            escape(one.video_id), LABEL_NAMES[one.label], f"[{style}]{one.word}[/]", score, f"[{style}]{mark}[/]"
        )
    console = Console(highlight=False)
    console.print(table)
    if len(answers) > MAX_ROWS:
        console.print(f"and {len(answers) - MAX_ROWS} more")
