"""Probes: what can be read from frozen backbones, as a table of backbone x transform x reduction x classifier.

    RUN/embeddings/      of every clip by every backbone, see embeddings.py
    RUN/cells/           one cell of the table each: a .npz with what was fitted, a .json with how it did
    RUN/table.csv        one row a cell
    RUN/table.png        the table as a heat map, and RUN/best.png the best cells with their intervals
    RUN/probe.html       all of it on one page
    RUN/probe.json       the same for machines
    RUN/run.json         the winner, with model.keras and probe.npz a run like any other; written last

Everything is fitted on the split "train"; the winner is the cell with the best AUC over the videos of "val". "test" is
looked at only if it is asked for, and then for all cells.
"""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepfake_tf import atomic, runs
from deepfake_tf.errors import ConfigError
from deepfake_tf.judging import scoring
from deepfake_tf.learning.settings import describe_network, read_run
from deepfake_tf.learning.training import labelled_clips
from deepfake_tf.probing import probe_report
from deepfake_tf.probing.probe_data import Embeddings, Selection
from deepfake_tf.probing.probe_model import FITTED_FILE
from deepfake_tf.probing.probe_scores import best_cell, describe_split, measure
from deepfake_tf.probing.probe_settings import ProbeSearch, ProbeSettings
from deepfake_tf.probing.probe_table import OnProgress, Reporter, cell_name, fit_cells, read_cell

PROBE_VERSION = 3
RESULT_FILE = "probe.json"
SEARCH_FILE = "search.json"
TABLE_FILE = "table.csv"


def probe(
    data_dir: Path | str,
    run_dir: Path | str,
    search: ProbeSearch,
    *,
    test: bool = False,
    compare: Sequence[Path | str] = (),
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Fits and scores every cell of the table, and writes the winner as a run.

    Finished cells and embeddings are found finished. A folder may get more rows by asking for more later.

    Args:
        data_dir: a finished extraction.
        run_dir: where all of it is written; made if it is not there.
        search: the table.
        test: report the split "test" as well.
        compare: finished runs to be scored on the same splits and listed beside the probes.
        on_progress: is told how far it is.

    Returns:
        What probe.json holds.

    Raises:
        ConfigError: the folder holds another probe or run, or a run to compare cannot be loaded.
        DataError: a split lacks clips or one of the two classes.
    """
    run_dir = Path(run_dir)
    for split in ("train", "val"):
        labelled_clips(data_dir, split)
    reporter = Reporter(len(search.cells()), on_progress)
    embeddings = Embeddings(data_dir, search, run_dir / "embeddings", report=reporter.embedding)
    identity = {**search.identity(), "fingerprint": embeddings.fingerprint}
    claim(run_dir, identity)
    asked = {"search": search.to_json(), "test": test, "compare": [_run_digest(one) for one in compare]}
    finished = _find_finished(run_dir, identity, asked)
    if finished:
        return finished
    selection = Selection("all", ((embeddings, None),))
    cells = fit_cells(selection, search, run_dir / "cells", reporter)
    splits = ("val", "test") if test else ("val",)
    for cell, settings in zip(cells, search.cells(), strict=True):
        if test and "test" not in cell:
            fitted = read_cell(run_dir / "cells", settings)
            cell["test"] = measure(
                selection.clips("test"), fitted.logits(selection.features(settings.backbone, "test"))
            )
    results = {
        "format_version": PROBE_VERSION,
        "identity": identity,
        "asked": asked,
        "data": {"path": str(data_dir), "fingerprint": embeddings.fingerprint},
        "splits": {split: describe_split(selection.clips(split)) for split in ("train", *splits)},
        "cells": cells,
        "winner": best_cell(cells),
        "runs": [_measure_run(one, selection, splits) for one in compare],
        "duration_sec": round(reporter.seconds(), 3),
    }
    _write_all(run_dir, results, selection, search)
    return results


def _measure_run(run_dir: Path | str, selection: Selection, splits: Sequence[str]) -> dict[str, Any]:
    model, run = runs.load_run(run_dir)
    runs.check_spec(run, selection.spec, selection.parts[0][0].data_dir)
    measured = {
        split: measure(selection.clips(split), scoring.predict_logits(model, selection.clips(split)))
        for split in splits
    }
    return {"path": str(run_dir), "name": describe_network(run["settings"]), **measured}


# The folder ----------------------------------------------------------------------------------------------------------


def claim(run_dir: Path, identity: Mapping[str, Any]) -> None:
    """Makes a folder that of this probe.

    Raises:
        ConfigError: it is that of another, or of something else.
    """
    path = run_dir / SEARCH_FILE
    text = json.dumps(identity, indent=2, sort_keys=True) + "\n"
    if not path.is_file() and (run_dir / runs.RUN_FILE).is_file():
        raise ConfigError(f"{run_dir} holds a run that is no probe. Choose another --out.")
    if not path.is_file():
        run_dir.mkdir(parents=True, exist_ok=True)
        atomic.write_whole(path, text.encode())
    elif path.read_text("utf-8") != text:
        raise ConfigError(
            f"{run_dir} holds a probe of other clips, or with another seed or number of folds. "
            "Choose another --out, or delete it."
        )


def _find_finished(run_dir: Path, identity: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any] | None:
    if not (run_dir / runs.RUN_FILE).is_file() or not (run_dir / RESULT_FILE).is_file():
        return None
    try:
        read_run(run_dir)
    except ConfigError:
        # Of another version: the cells are there, and the run is written again.
        return None
    found = json.loads((run_dir / RESULT_FILE).read_text("utf-8"))
    same = found["format_version"] == PROBE_VERSION and found["identity"] == identity and found["asked"] == asked
    return found if same else None


def _run_digest(run_dir: Path | str) -> str:
    run = read_run(run_dir)
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()[:16]


def _write_all(run_dir: Path, results: dict[str, Any], selection: Selection, search: ProbeSearch) -> None:
    """Writes table, pictures, page and the winner's run."""
    # While the files of another winner are being replaced there is no run here.
    (run_dir / runs.RUN_FILE).unlink(missing_ok=True)
    rows = [_row(cell) for cell in results["cells"]] + [_run_row(run) for run in results["runs"]]
    atomic.write_whole(run_dir / TABLE_FILE, _csv_bytes(rows))
    probe_report.write(run_dir, results)
    _write_json(run_dir / RESULT_FILE, results)
    cell = results["cells"][results["winner"]]
    settings = ProbeSettings.from_json(cell["settings"])
    runs.write_model(run_dir, selection.parts[0][0].embedder(settings.backbone).backbone)
    fitted = run_dir / "cells" / f"{cell_name(settings)}.npz"
    with atomic.open_whole(run_dir / FITTED_FILE) as file, fitted.open("rb") as source:
        shutil.copyfileobj(source, file)
    embeddings = selection.parts[0][0]
    tables = {split: selection.clips(split) for split in ("train", "val")}
    result = {
        "monitor": "val_video_auc",
        "metrics": {"val_video_auc": cell["val"]["roc_auc"], "val_auc": cell["val"]["clip_auc"]},
        "num_cells": len(results["cells"]),
        "cv_auc": cell["cv_auc"],
    }
    runs.write_run(run_dir, settings, data=runs.describe_data(embeddings.data_dir, tables), result=result)


def _row(cell: Mapping[str, Any]) -> dict[str, Any]:
    settings = cell["settings"]
    return {
        "backbone": settings["backbone"],
        "transform": settings["transform"],
        "reduction": settings["reduction"],
        "classifier": settings["classifier"],
        "classifier_settings": json.dumps(settings["classifier_settings"]),
        "num_features": cell["num_features"],
        "cv_auc": cell["cv_auc"],
        "fit_sec": cell["fit_sec"],
        **_measures(cell),
    }


def _run_row(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"backbone": run["name"], "run": run["path"], **_measures(run)}


def _measures(one: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for split in ("val", "test"):
        if split in one:
            low, high = one[split]["interval"]
            found |= {
                f"{split}_video_auc": one[split]["roc_auc"],
                f"{split}_video_auc_low": low,
                f"{split}_video_auc_high": high,
                f"{split}_pairs_auc": (one[split]["pairs"] or {}).get("roc_auc"),
                f"{split}_clip_auc": one[split]["clip_auc"],
                f"{split}_video_accuracy": one[split]["accuracy"],
            }
    return found


def _csv_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(key for row in rows for key in row)), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    atomic.write_whole(path, (json.dumps(value, indent=2) + "\n").encode())
