"""How a model's scores hold when its videos get worse: compressed, shrunken, blurred, noisy, dark, jerky, off centre.

clips of a split --each degradation at each strength--> logits of videos (a cell) --> robustness.json, pictures

OUT/settings.json       whose cells these are
OUT/cells/*.json        the logits of each cell; a run that was killed goes on with those that are missing
OUT/robustness.png      all curves
OUT/robustness.json     written last
"""

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic
from deepfake_tf.batching.clip_table import ClipTable, list_clips
from deepfake_tf.data_folder import ShardSettings
from deepfake_tf.degrading import degradations, robustness_plots
from deepfake_tf.degrading.degradations import CLEAN, Degradation
from deepfake_tf.degrading.robustness_cells import Cells, Logits, cell_name
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.judging import decision, verdict
from deepfake_tf.judging.decision import Decision
from deepfake_tf.learning.settings import read_run
from deepfake_tf.manifest import read_manifest
from deepfake_tf.metrics import roc_auc
from deepfake_tf.records import read_index
from deepfake_tf.reporting import resampling
from deepfake_tf.runners import RunSettings, extract_manifest
from deepfake_tf.runs import check_spec, load_run
from deepfake_tf.schema import FAKE, REAL, Calibration, ClipSpec, fingerprint

ROBUSTNESS_VERSION = 1
RESULT_FILE = "robustness.json"
PICTURE_FILE = "robustness.png"

OnProgress = Callable[[int, int, str, float], None]
"""Takes cells done, cells in all, the name of the one at work, and the share of it that is done."""


@dataclass(frozen=True)
class Sweep:
    """What is measured.

    Attributes:
        split: of the data.
        names: of the degradations, all if empty.
        strengths: of some of them by name, instead of all that they have.
        max_videos: at most so many, as many reals as fakes if there are; all if None.
        num_workers: processes that store videos again.
        seed: of the noise and of the choice of videos.
    """

    split: str = "test"
    names: tuple[str, ...] = ()
    strengths: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    max_videos: int | None = None
    num_workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.names) - {one.name for one in degradations.DEGRADATIONS})
        if unknown:
            known = ", ".join(one.name for one in degradations.DEGRADATIONS)
            raise ConfigError(f"Unknown degradation {unknown[0]!r}. Known: {known}.")
        if self.max_videos is not None and self.max_videos < 2:
            raise ConfigError(f"max_videos must be 2 or more. Received: {self.max_videos}")

    def chosen(self, spec: ClipSpec) -> list[Degradation]:
        """Returns the degradations that are asked for and can be had of such clips, in their usual order."""
        known = [one for one in degradations.DEGRADATIONS if not self.names or one.name in self.names]
        asked = [replace(one, strengths=self.strengths.get(one.name, one.strengths)) for one in known]
        # Crops that were turned by what only the detector knows cannot be cut out again off centre.
        return [one for one in asked if one.name != "crop_shift" or spec.alignment == "none"]


def measure(
    run_dir: Path | str,
    data_dir: Path | str,
    out_dir: Path | str,
    sweep: Sweep,
    *,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Scores a split as it is and worse in every way, and says what each costs.

    Finished cells are not measured again.

    Args:
        run_dir: a finished run.
        data_dir: a finished extraction, whose videos are still where its manifest says.
        out_dir: where the results are written; made if it is not there.
        sweep: what is measured.
        on_progress: is told how far it is.

    Returns:
        What robustness.json holds.

    Raises:
        ConfigError: there is no run, its clips were made in another way, the folder holds another measurement, or a
            video is gone.
        DataError: the split has no labelled clips.
    """
    out_dir = Path(out_dir)
    model, run = load_run(run_dir)
    index = read_index(data_dir)
    check_spec(run, index.spec, data_dir)
    clips = list_clips(data_dir, [sweep.split]).labelled()
    # The middle frames, if more are stored.
    clips = _choose(clips.with_num_frames(run["data"]["clip_spec"]["num_frames"]), sweep)
    data = {"path": str(data_dir), "fingerprint": index.fingerprint(), "split": sweep.split}
    source = {"run": run_fingerprint(run), "max_videos": sweep.max_videos, "seed": sweep.seed}
    chosen, _ = decision.read(run_dir, run)
    _claim(out_dir, {**source, "joining": chosen.joining, "data": {**data, "path": ""}})
    videos = {one.video_id: one for one in read_manifest(Path(data_dir) / "manifest.csv")}
    cells = Cells(model, clips, videos, joining=chosen.joining, num_workers=sweep.num_workers, seed=sweep.seed)
    wanted = sweep.chosen(clips.spec)
    logits = cells.measure(out_dir / "cells", wanted, on_progress or (lambda done, total, name, share: None))
    results = {
        "format_version": ROBUSTNESS_VERSION,
        "run_path": str(run_dir),
        **source,
        "data": data,
        **_summarise(logits, clips, wanted, chosen),
    }
    atomic.write_whole(out_dir / PICTURE_FILE, robustness_plots.draw_all(results))
    atomic.write_whole(out_dir / RESULT_FILE, _json_bytes(results))
    return results


def data_of(
    run_dir: Path | str,
    source: Path | str,
    out_dir: Path | str,
    sweep: Sweep,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Returns the folder of shards to measure on: the source itself, or what is extracted of it if it is a manifest.

    Args:
        run_dir: a finished run, whose clips are made alike.
        source: a folder of shards, or a manifest.
        out_dir: the clips of a manifest are put into its folder "clips".
        sweep: its split is all that is extracted, and it says how many processes do it.
        on_progress: takes videos done and in all.

    Raises:
        ConfigError: there is no run, or the folder holds other clips.
        DataError: the manifest has no videos of the split.
    """
    if not Path(source).is_file():
        return Path(source)
    entries = [one for one in read_manifest(source) if one.split == sweep.split]
    if not entries:
        raise DataError(f"{source} has no videos of the split {sweep.split!r}. Name another with --split.")
    settings = ShardSettings(ClipSpec.from_json(read_run(run_dir)["data"]["clip_spec"]))
    run = RunSettings(num_workers=sweep.num_workers)
    tell = on_progress or (lambda done, total: None)
    data_dir = Path(out_dir) / "clips"
    extract_manifest(
        entries,
        data_dir,
        settings,
        run=run,
        on_progress=lambda at: tell(at.num_found + at.num_done, at.num_videos),
    )
    return data_dir


def read_robustness(path: Path | str) -> dict[str, Any]:
    """Returns what `measure` wrote.

    Args:
        path: its folder, or robustness.json itself.

    Raises:
        ConfigError: it is not there.
        DataError: it is damaged, or of another version.
    """
    path = Path(path)
    path = path / RESULT_FILE if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(f"There is no {path}. Expected what python -m pipelines.robustness wrote.")
    try:
        results = dict(json.loads(path.read_text("utf-8")))
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}). Measure again.") from error
    if results.get("format_version") != ROBUSTNESS_VERSION:
        raise DataError(
            f"{path} has version {results.get('format_version')}; this program reads version {ROBUSTNESS_VERSION}. "
            "Measure again into another folder."
        )
    return results


def find(
    run_dir: Path | str, run: Mapping[str, Any], split: str, *, given: Path | str | None = None
) -> dict[str, Any] | None:
    """Returns the robustness that was measured of a run on the videos that are evaluated.

    Args:
        run_dir: the run's folder; what lies in it, or in its folder robustness-SPLIT, is found.
        run: what its run.json holds.
        split: whose videos are evaluated.
        given: where it is said to be.

    Returns:
        What robustness.json holds; None if none was given and none of this run and split is found.

    Raises:
        ConfigError: what was given is not there, or was measured of another run or split.
        DataError: it is damaged.
    """
    folder = Path(given) if given is not None else Path(run_dir) / f"robustness-{split}"
    if given is None and not (folder / RESULT_FILE).is_file():
        return None
    found = read_robustness(folder)
    # Of a manifest, the clips were made for it, and are in another folder with another fingerprint.
    is_same = found["run"] == run_fingerprint(run) and found["data"]["split"] == split
    if is_same:
        return found
    if given is None:
        return None
    raise ConfigError(f"{folder} holds the measurement of another run or split. Measure again with this run.")


def run_fingerprint(run: Mapping[str, Any]) -> str:
    """Returns what tells one training from another, wherever it lies."""
    return fingerprint([run["settings"], run["result"]])


def _choose(clips: ClipTable, sweep: Sweep) -> ClipTable:
    if not len(clips):
        raise DataError(f"The split {sweep.split!r} has no labelled clips: nothing to hold scores against.")
    if sweep.max_videos is None:
        return clips
    labels = dict(zip(clips.video_ids, clips.labels.tolist(), strict=True))
    names = np.random.default_rng(sweep.seed).permutation(sorted(labels)).tolist()
    by_label = [[name for name in names if labels[name] == label] for label in (REAL, FAKE)]
    # By turns, and what one class lacks from the other.
    order = [name for pair in itertools.zip_longest(*by_label) for name in pair if name is not None]
    chosen = set(order[: sweep.max_videos])
    return clips.select([row for row, name in enumerate(clips.video_ids) if name in chosen])


def _claim(out_dir: Path, source: Mapping[str, Any]) -> None:
    """Makes the folder ours, or checks that it is."""
    (out_dir / "cells").mkdir(parents=True, exist_ok=True)
    atomic.claim(
        out_dir / "settings.json",
        source,
        f"{out_dir} holds the measurement of another run, data, split, seed or number of videos. Choose another "
        "--out, or delete it.",
    )
    atomic.remove_partial(out_dir / "cells")


def _json_bytes(values: object) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()


# Numbers --------------------------------------------------------------------------------------------------------------


def _summarise(
    cells: Mapping[str, Logits], clips: ClipTable, wanted: list[Degradation], chosen: Decision
) -> dict[str, Any]:
    labels = dict(zip(clips.video_ids, clips.labels.tolist(), strict=True))
    groups = dict(zip(clips.video_ids, clips.groups, strict=True))

    def point(name: str) -> dict[str, Any]:
        return _point(cells[name], cells[CLEAN], labels, groups, chosen.calibration)

    curves = [
        {
            "name": one.name,
            "title": one.title,
            "unit": one.unit,
            "level": one.level,
            "labels": one.labels(),
            "points": {f"{strength:g}": point(cell_name(one, strength)) for strength in one.strengths},
        }
        for one in wanted
    ]
    return {
        "num_real": sum(label == REAL for label in labels.values()),
        "num_fake": sum(label == FAKE for label in labels.values()),
        "num_groups": len(set(groups.values())),
        "threshold": chosen.threshold,
        CLEAN: point(CLEAN),
        "curves": curves,
    }


def _point(
    logits: Logits, clean: Logits, labels: Mapping[str, int], groups: Mapping[str, str], calibration: Calibration
) -> dict[str, Any]:
    """What one cell comes to; its change is over the videos that could be judged in both, in the same draws."""
    names = list(logits)
    truth = np.array([labels[name] for name in names], np.int64)
    scores = np.array([verdict.score(logits[name], calibration) for name in names])
    both = [name for name in names if name in clean]
    auc, draws = _auc(logits, names, labels, groups)
    (worse, worse_draws), (before, before_draws) = (_auc(one, both, labels, groups) for one in (logits, clean))
    return {
        "num_judged": len(names),
        "roc_auc": _number(auc),
        "roc_auc_interval": _interval(draws, names, labels, groups),
        "change": _number(worse - before),
        "change_interval": _interval(worse_draws - before_draws, both, labels, groups),
        "mean_score_real": _mean(scores[truth == REAL]),
        "mean_score_fake": _mean(scores[truth == FAKE]),
    }


def _auc(
    logits: Logits, names: Sequence[str], labels: Mapping[str, int], groups: Mapping[str, str]
) -> tuple[float, NDArray[np.float64]]:
    """The AUC of some videos, and that of each draw of their groups; NaN where there is none."""
    truth = np.array([labels[name] for name in names], np.int64)
    order = np.array([logits[name] for name in names], np.float64)
    own = [groups[name] for name in names]
    if len(set(own)) < 2:
        return (float(roc_auc.compute(truth, order)) if names else math.nan), np.full(1, np.nan)
    parts = [roc_auc.compute_draws(resampling.Draws(truth, order, one)) for one in resampling.draw_groups(own)]
    return float(roc_auc.compute(truth, order)), np.concatenate(parts)


def _interval(
    draws: NDArray[np.float64], names: Sequence[str], labels: Mapping[str, int], groups: Mapping[str, str]
) -> list[float | None]:
    if not names:
        return [None, None]
    num_groups = resampling.num_groups_of_a_class([labels[name] for name in names], [groups[name] for name in names])
    found = resampling.middle(draws, num_groups)
    return [_number(found.low), _number(found.high)]


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
