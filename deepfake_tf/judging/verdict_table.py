"""Verdicts as a CSV file that grows by a line a video, so that judging many of them can be stopped and gone on with."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import atomic
from deepfake_tf.errors import ConfigError
from deepfake_tf.judging.verdict import Verdict

COLUMNS = (
    *("path", "num_bytes", "verdict", "score", "threshold", "band", "coverage", "num_faces", "outcome", "reason"),
    *("model_name", "model_version", "spec_hash"),
)


class VerdictTable:
    """A file of verdicts of one model.

    Attributes:
        path: the file.
        answers: what was said of each video that is in it, by the path that it was named by.
    """

    def __init__(self, path: Path, spec_hash: str) -> None:
        """Opens a file, or begins one; a line that was cut off when a process was killed is left out.

        Args:
            path: the file; its folder is there.
            spec_hash: of the model that judges.

        Raises:
            ConfigError: the file is no such table, or another model judged.
        """
        self.path = path
        rows = _read(path) if path.is_file() else []
        others = sorted({row["spec_hash"] for row in rows} - {spec_hash})
        if others:
            raise ConfigError(
                f"{path} holds verdicts of another model (spec {others[0]} instead of {spec_hash}). Name another file."
            )
        self.answers = {row["path"]: row["verdict"] for row in rows if _is_as_it_was(row)}
        kept = [row for row in rows if row["path"] in self.answers]
        atomic.write_whole(path, _text([dict(zip(COLUMNS, COLUMNS, strict=True)), *kept]).encode())

    def add(self, path: Path, verdict: Verdict) -> None:
        """Adds a line, which is on the disk when this returns."""
        model = verdict.model
        row = {
            "path": str(path),
            "num_bytes": path.stat().st_size,
            "verdict": verdict.verdict,
            "score": "" if verdict.score is None else verdict.score,
            "threshold": verdict.threshold,
            "band": verdict.band,
            "coverage": verdict.coverage,
            "num_faces": len(verdict.tracks),
            "outcome": verdict.outcome,
            "reason": verdict.reason,
            "model_name": model.name,
            "model_version": model.version,
            "spec_hash": model.spec_hash,
        }
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(_text([row]))
            file.flush()
            os.fsync(file.fileno())
        self.answers[str(path)] = str(verdict.verdict)


def _read(path: Path) -> list[dict[str, str]]:
    text = path.read_text(encoding="utf-8")
    # What follows the last line's end was cut off.
    reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
    if text and tuple(reader.fieldnames or ()) != COLUMNS:
        raise ConfigError(f"{path} is no table of verdicts. Name another file, or delete it.")
    return [row for row in reader if None not in row.values() and None not in row]


def _is_as_it_was(row: dict[str, str]) -> bool:
    """A file that has another length now is another video; one that is gone stays judged."""
    path = Path(row["path"])
    return not path.is_file() or str(path.stat().st_size) == row["num_bytes"]


def _text(rows: Sequence[dict]) -> str:
    text = io.StringIO(newline="")
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerows(rows)
    return text.getvalue()
