"""Several runs on several data sets: a detector is worth what it says of videos unlike those it was trained on.

OUT/RUN/DATA/     an evaluation each, see evaluation.py
OUT/matrix.csv    one row a run and data set
OUT/matrix.png    the video AUCs as a heat map
OUT/matrix.json   the same for machines, written last
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from deepfake_tf import atomic
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.learning.settings import read_run
from deepfake_tf.records import read_index
from deepfake_tf.reporting import figures
from deepfake_tf.reporting.evaluation import evaluate
from deepfake_tf.reporting.score_tables import write_table
from deepfake_tf.schema import SPLITS

MATRIX_VERSION = 1
MATRIX_FILE = "matrix.json"

_VALUES = ("report", "auc", "num_real", "num_fake", "num_groups", "share_judged", "accuracy", "ece")


def evaluate_all(
    run_dirs: Sequence[Path],
    data_dirs: Sequence[Path],
    out_dir: Path | str,
    *,
    split: str = "test",
    on_progress: Callable[[str, str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Evaluates every run on every data set.

    A finished cell is found finished. A run that cannot judge a data set, because its clips were made in another way,
    has a reason in place of an AUC.

    Args:
        run_dirs: finished runs.
        data_dirs: finished extractions.
        out_dir: where it is written; made if it is not there.
        split: whose videos to score.
        on_progress: called with the names of run and data set, and the number of batches done and of all.

    Returns:
        {"format_version", "split", "runs": {name: path}, "data": {name: path}, "cells": [{"run", "data", "trained_on":
        whether these are the data that the run learned from, "report", "auc", "interval", "num_real", "num_fake",
        "num_groups", "share_judged", "accuracy", "ece", "reason"}], "elsewhere": {run: mean AUC elsewhere}}

    Raises:
        ConfigError: a run or a data set is not there, or is given twice.
    """
    if split not in SPLITS:
        raise ConfigError(f"A split is one of {', '.join(SPLITS)}. Received: {split!r}")
    runs, data = _names(run_dirs), _names(data_dirs)
    learned = {name: read_run(path)["data"]["fingerprint"] for name, path in runs.items()}
    fingerprints = {name: read_index(path).fingerprint() for name, path in data.items()}
    cells = []
    for run, run_dir in runs.items():
        for name, data_dir in data.items():
            tell = partial(on_progress, run, name) if on_progress else None
            cell = {"run": run, "data": name, "trained_on": learned[run] == fingerprints[name]}
            cells.append(cell | _cell(run_dir, data_dir, split, Path(out_dir) / run / name, tell))
    found = {
        "format_version": MATRIX_VERSION,
        "split": split,
        "runs": {name: str(path) for name, path in runs.items()},
        "data": {name: str(path) for name, path in data.items()},
        "cells": cells,
        "elsewhere": {run: _mean_elsewhere([one for one in cells if one["run"] == run]) for run in runs},
    }
    write_table(Path(out_dir) / "matrix.csv", [_row(cell) for cell in cells])
    atomic.write_whole(Path(out_dir) / "matrix.png", draw(found))
    atomic.write_whole(Path(out_dir) / MATRIX_FILE, (json.dumps(found, indent=2) + "\n").encode())
    return found


@figures.styled
def draw(found: Mapping[str, Any]) -> bytes:
    """Draws the AUCs as a heat map; returns a PNG file.

    Args:
        found: what `evaluate_all` returns.
    """
    runs, data = list(found["runs"]), list(found["data"])
    figure = figures.new_figure(2.6 + 1.5 * len(data), 1.7 + 0.75 * len(runs))
    axes = figure.subplots()
    by_place = {(runs.index(one["run"]), data.index(one["data"])): one for one in found["cells"]}
    aucs = [[_auc_or_nan(by_place[row, column]) for column in range(len(data))] for row in range(len(runs))]
    picture = axes.imshow(aucs, cmap="Blues", vmin=0.5, vmax=1, aspect="auto")
    for (row, column), cell in by_place.items():
        auc = cell["auc"]
        colour = "white" if auc is not None and auc > 0.8 else figures.INK
        axes.text(column, row, _cell_text(cell), ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(data)), data)
    axes.set_yticks(range(len(runs)), runs)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"judged: {found['split']} videos of")
    axes.set_ylabel("run")
    figure.suptitle("Video ROC AUC, 95 % interval over groups\n(* trained on its train split)", fontsize=10)
    figure.colorbar(picture, ax=axes, label="AUC; 0.5 is guessing")
    return figures.to_png(figure)


def _cell(
    run_dir: Path, data_dir: Path, split: str, folder: Path, tell: Callable[[int, int], None] | None
) -> dict[str, Any]:
    try:
        report = evaluate(run_dir, data_dir, split, folder, on_progress=tell)
    except (ConfigError, DataError) as error:
        return {**dict.fromkeys(_VALUES), "interval": [None, None], "reason": str(error)}
    videos = report["videos"]
    return {
        "report": str(folder / "report.html"),
        "auc": videos["metrics"]["roc_auc"],
        "interval": videos["intervals"]["roc_auc"],
        **{name: videos[name] for name in ("num_real", "num_fake", "num_groups")},
        "share_judged": report["coverage"]["share_judged"],
        **{name: videos["metrics"][name] for name in ("accuracy", "ece")},
        "reason": videos["notes"].get("roc_auc", "") if videos["metrics"]["roc_auc"] is None else "",
    }


def _mean_elsewhere(cells: Sequence[Mapping[str, Any]]) -> float | None:
    aucs = [one["auc"] for one in cells if not one["trained_on"] and one["auc"] is not None]
    return sum(aucs) / len(aucs) if aucs else None


def _names(paths: Sequence[Path]) -> dict[str, Path]:
    """Returns a name for each folder: its own, with as many of those above as tell it from the others."""
    resolved = [path.resolve() for path in paths]
    if len(set(resolved)) < len(resolved):
        raise ConfigError(f"A folder is given twice: {', '.join(map(str, paths))}. Name each once.")
    depth = 1
    while len({path.parts[-depth:] for path in resolved}) < len(resolved):
        depth += 1
    return {"-".join(full.parts[-depth:]): path for full, path in zip(resolved, paths, strict=True)}


def _auc_or_nan(cell: Mapping[str, Any]) -> float:
    return float("nan") if cell["auc"] is None else cell["auc"]


def _cell_text(cell: Mapping[str, Any]) -> str:
    if cell["auc"] is None:
        return "-"
    low, high = cell["interval"]
    star = "*" if cell["trained_on"] else ""
    return f"{cell['auc']:.3f}{star}" + ("" if low is None else f"\n{low:.2f} to {high:.2f}")


def _row(cell: Mapping[str, Any]) -> dict[str, Any]:
    low, high = cell["interval"]
    return {**{name: value for name, value in cell.items() if name != "interval"}, "low": low, "high": high}
