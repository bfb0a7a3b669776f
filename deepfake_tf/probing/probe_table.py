"""The cells of a probe's table, fitted and validated one after the other, each once.

FOLDER/<cell>.npz     what was fitted
FOLDER/<cell>.json    settings and scores, written last: it marks the cell finished
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepfake_tf import atomic, schema
from deepfake_tf.probing.probe_cells import Bench, Examples, FittedCell, fit_cell
from deepfake_tf.probing.probe_data import Selection
from deepfake_tf.probing.probe_model import FittedProbe, read_fitted
from deepfake_tf.probing.probe_scores import measure
from deepfake_tf.probing.probe_settings import NO_TRANSFORM, ProbeSearch, ProbeSettings

_CELL_VERSION = 3
"""Of a cell's .json: cells of another version are fitted again."""


@dataclass(frozen=True)
class Standing:
    """Where a probe stands.

    Attributes:
        num_done: cells done.
        num_cells: cells in all.
        best: best validation AUC over videos so far, None before the first.
        what: what is being done.
        done: clips of it done; 0 where it is not counted.
        total: clips of it in all; 0 where it is not counted.
    """

    num_done: int
    num_cells: int
    best: float | None
    what: str
    done: int = 0
    total: int = 0


OnProgress = Callable[[Standing], None]


class Reporter:
    """Tells how far a probe is."""

    def __init__(self, num_cells: int, on_progress: OnProgress | None) -> None:
        self._tell = on_progress or (lambda at: None)
        self._num_cells, self._num_done = num_cells, 0
        self._best: float | None = None
        self._begin = time.monotonic()

    def expect(self, num_cells: int) -> None:
        """Says how many cells there are in all."""
        self._num_cells = num_cells

    def say(self, what: str, done: int = 0, total: int = 0) -> None:
        """Tells what is being done."""
        self._tell(Standing(self._num_done, self._num_cells, self._best, what, done, total))

    def embedding(self, what: str, done: int, total: int) -> None:
        """Tells how far an embedding is."""
        self.say(f"embedding {what}", done, total)

    def cell_done(self, auc: float) -> None:
        """Counts a cell, and its validation AUC over videos."""
        self._num_done += 1
        self._best = max(auc, self._best if self._best is not None else auc)
        self.say("")

    def seconds(self) -> float:
        """Returns how long it has taken so far."""
        return time.monotonic() - self._begin


def fit_cells(selection: Selection, search: ProbeSearch, folder: Path, reporter: Reporter) -> list[dict[str, Any]]:
    """Fits and validates every cell that has not been.

    Args:
        selection: the clips.
        search: the table.
        folder: of the cells' files; made if it is not there.
        reporter: is told how far it is.

    Returns:
        For each cell, in the order of the table, {"settings", "cv_auc", "num_features", "fit_sec", "val"}.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cells = []
    bench: tuple[tuple[str, ...], Bench] | None = None
    for settings in search.cells():
        path = folder / f"{cell_name(settings)}.json"
        if not path.is_file():
            key = (settings.backbone, settings.transform, settings.reduction)
            if bench is None or bench[0] != key:
                bench = (key, _bench(selection, settings, search.num_folds))
            reporter.say(describe(settings))
            cell = fit_cell(settings, bench[1])
            cell.probe.write(path.with_suffix(".npz"))
            atomic.write_whole(path, (json.dumps(_describe_cell(cell, selection), indent=2) + "\n").encode())
        cells.append(json.loads(path.read_text("utf-8")))
        reporter.cell_done(cells[-1]["val"]["roc_auc"])
    return cells


def _bench(selection: Selection, settings: ProbeSettings, num_folds: int) -> Bench:
    clips = selection.clips("train")
    features = selection.features(settings.backbone, "train")
    examples = Examples(features, clips.labels, clips.groups, clips.face_groups, np.zeros(len(clips), np.bool_))
    if settings.transform != NO_TRANSFORM:
        examples = examples.with_copies(selection.features(settings.backbone, "train", settings.transform))
    return Bench(examples, settings.reduction, num_folds=num_folds, seed=settings.seed)


def _describe_cell(cell: FittedCell, selection: Selection) -> dict[str, Any]:
    logits = cell.probe.logits(selection.features(cell.settings.backbone, "val"))
    return {
        "settings": cell.settings.to_json(),
        "cv_auc": cell.cv_auc,
        "num_features": cell.num_features,
        "fit_sec": round(cell.fit_sec, 3),
        "val": measure(selection.clips("val"), logits),
    }


def cell_name(settings: ProbeSettings) -> str:
    """Returns what a cell's files are called: readable, and told apart by what is not in the name."""
    asked = {**settings.to_json(), "classifier_settings": None, "format_version": _CELL_VERSION}
    words = (settings.backbone, settings.transform, settings.reduction.replace(":", ""), settings.classifier)
    return "-".join([*words, schema.fingerprint(asked)[:8]])


def read_cell(folder: Path, settings: ProbeSettings) -> FittedProbe:
    """Returns what was fitted in a cell."""
    return read_fitted(folder / f"{cell_name(settings)}.npz", settings)


def describe(settings: ProbeSettings) -> str:
    """Returns a probe's name for people."""
    words = [settings.backbone, settings.transform, settings.reduction, settings.classifier]
    return ", ".join(word for word in words if word != "none")
