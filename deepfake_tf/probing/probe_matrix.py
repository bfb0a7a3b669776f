"""The cross-dataset matrix of probes: fitted on one data set, tested on each.

    OUT/embeddings/      see embeddings.py
    OUT/cells/<name>/    the table of probes fitted on one data set, see probe_table.py
    OUT/matrix.csv       one row for each pair of data sets
    OUT/matrix.png       the same as a heat map, with intervals
    OUT/matrix.json      the same for machines, written last

For each data set the probe is chosen on its own "val", and tested on every data set's "test": a column holds scores of
the same videos, and what stands off the diagonal was seen by nothing, not even the choice of the probe.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepfake_tf import atomic, runs
from deepfake_tf.errors import ConfigError, LeakError
from deepfake_tf.manifest import read_manifest
from deepfake_tf.probing.probe import claim
from deepfake_tf.probing.probe_data import Embeddings, Selection, join_selections
from deepfake_tf.probing.probe_report import name_of
from deepfake_tf.probing.probe_scores import best_cell, describe_split, measure
from deepfake_tf.probing.probe_settings import ProbeSearch
from deepfake_tf.probing.probe_table import OnProgress, Reporter, fit_cells, read_cell
from deepfake_tf.reporting import heat_map

MATRIX_VERSION = 2
RESULT_FILE = "matrix.json"
ALL = "all together"


def cross(
    data_dirs: Sequence[Path | str], out_dir: Path | str, search: ProbeSearch, *, on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """Fits the table on each data set, and on all together, and tests each winner on all of them.

    Finished cells and embeddings are found finished.

    Args:
        data_dirs: finished extractions; each may hold several data sets by the manifest's column "dataset".
        out_dir: where the matrix is written; made if it is not there.
        search: the table that a probe is chosen from.
        on_progress: is told how far it is.

    Returns:
        What matrix.json holds.

    Raises:
        ConfigError: there is one data set only, their clips were made in different ways, or the folder holds something
            else.
        LeakError: a video that is trained on in one folder is tested on in another.
    """
    out_dir = Path(out_dir)
    reporter = Reporter(0, on_progress)
    folders = [Embeddings(one, search, out_dir / "embeddings", report=reporter.embedding) for one in data_dirs]
    _check_folders(folders)
    columns = list_datasets(folders)
    rows = [one for one in columns if _has_both(one, "train") and _has_both(one, "val")]
    if len(columns) < 2 or not rows:
        raise ConfigError(
            "A matrix needs two data sets or more, one of them at least with real and fake clips to train and to "
            f"choose on. Received: {', '.join(one.name for one in columns)}, of which {len(rows)} can be trained on."
        )
    identity = {**search.identity(), "cross": [one.fingerprint for one in folders]}
    claim(out_dir, identity)
    asked = {"search": search.to_json()}
    finished = _find_finished(out_dir, identity, asked)
    if finished:
        return finished
    rows += [join_selections(ALL, rows)] if len(rows) > 1 else []
    reporter.expect(len(rows) * len(search.cells()))
    results = {
        "format_version": MATRIX_VERSION,
        "identity": identity,
        "asked": asked,
        "columns": [
            {"name": one.name, **describe_split(one.clips("test"))} if _has_both(one, "test") else {"name": one.name}
            for one in columns
        ],
        "rows": [_row(one, columns, search, out_dir / "cells", reporter) for one in rows],
    }
    atomic.write_whole(out_dir / "matrix.csv", _csv_bytes(results))
    atomic.write_whole(out_dir / "matrix.png", draw(results))
    atomic.write_whole(out_dir / RESULT_FILE, (json.dumps(results, indent=2) + "\n").encode())
    return results


def list_datasets(folders: Sequence[Embeddings]) -> list[Selection]:
    """Returns the data sets of folders, named as in their manifests, those of equal name after their folders too."""
    found = [
        (folder, dataset)
        for folder in folders
        for dataset in sorted({one.dataset for one in read_manifest(folder.data_dir / "manifest.csv")})
    ]
    names = [dataset or folder.data_dir.name for folder, dataset in found]
    full = [
        name if names.count(name) == 1 else f"{folder.data_dir.name}/{name}"
        for name, (folder, _) in zip(names, found, strict=True)
    ]
    return [Selection(name, (part,)) for name, part in zip(full, found, strict=True)]


def draw(results: dict[str, Any]) -> bytes:
    """Draws the matrix as a PNG file: AUC over videos and its interval, what was trained on down the side."""
    names = [one["name"] for one in results["columns"]]
    values = [[_auc(row["tests"][name]) for name in names] for row in results["rows"]]
    texts = [[_text(row["tests"][name]) for name in names] for row in results["rows"]]
    rows = [f"trained on {row['name']}" for row in results["rows"]]
    title = "AUC over the test videos of each data set, 95 % over groups"
    return heat_map.draw(values, rows, [f"tested on {name}" for name in names], title=title, texts=texts)


def _row(
    selection: Selection, columns: Sequence[Selection], search: ProbeSearch, folder: Path, reporter: Reporter
) -> dict[str, Any]:
    own = folder / selection.name.replace("/", "-").replace(" ", "-")
    cells = fit_cells(selection, search, own, reporter)
    winner = best_cell(cells)
    settings = search.cells()[winner]
    fitted = read_cell(own, settings)
    tests: dict[str, Any] = {}
    for column in columns:
        tests[column.name] = None
        if _has_both(column, "test"):
            logits = fitted.logits(column.features(settings.backbone, "test"))
            tests[column.name] = measure(column.clips("test"), logits)
    return {
        "name": selection.name,
        "train": describe_split(selection.clips("train")),
        "probe": name_of(cells[winner]),
        "settings": cells[winner]["settings"],
        "val": cells[winner]["val"],
        "tests": tests,
    }


def _has_both(selection: Selection, split: str) -> bool:
    return len(np.unique(selection.labels(split))) == 2


def _check_folders(folders: Sequence[Embeddings]) -> None:
    first = folders[0]
    for other in folders[1:]:
        runs.check_spec({"data": {"clip_spec": first.spec.to_json()}}, other.spec, other.data_dir)
    entries = [(one.data_dir, entry) for one in folders for entry in read_manifest(one.data_dir / "manifest.csv")]
    trained = {entry.sha256: (folder, entry) for folder, entry in entries if entry.split in ("train", "val")}
    for folder, entry in entries:
        at, other_entry = trained.get(entry.sha256, (folder, entry))
        if entry.sha256 and entry.split == "test" and at != folder:
            raise LeakError(
                f"{entry.video_id} is tested on in {folder}, and the same file is {other_entry.video_id} of the split "
                f"{other_entry.split!r} in {at}. Leave it out of one, or merge the manifests "
                "(pipelines.manifest --add)."
            )


def _find_finished(out_dir: Path, identity: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any] | None:
    if not (out_dir / RESULT_FILE).is_file():
        return None
    found = json.loads((out_dir / RESULT_FILE).read_text("utf-8"))
    same = found["format_version"] == MATRIX_VERSION and found["identity"] == identity and found["asked"] == asked
    return found if same else None


def _auc(measured: dict[str, Any] | None) -> float | None:
    return measured["roc_auc"] if measured else None


def _text(measured: dict[str, Any] | None) -> str:
    if not measured or measured["roc_auc"] is None:
        return "one class\nonly"
    low, high = measured["interval"]
    return f"{measured['roc_auc']:.3f}" + ("" if low is None else f"\n{low:.2f} to {high:.2f}")


def _csv_bytes(results: dict[str, Any]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["trained_on", "tested_on", "probe", "video_auc", "video_auc_low", "video_auc_high", "clip_auc"])
    for row in results["rows"]:
        for name, measured in row["tests"].items():
            values = [measured["roc_auc"], *measured["interval"], measured["clip_auc"]] if measured else [None] * 4
            writer.writerow([row["name"], name, row["probe"], *values])
    return text.getvalue().encode()
