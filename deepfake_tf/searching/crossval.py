"""Cross-validation: every video that is not of the test split is scored by a model that has seen nobody of its group.

    RUN/folds.json             which fold each video is in; written first
    RUN/folds/<k>/             a training without fold k, a run folder like any other
    RUN/folds/<k>/held_out.csv the logits that it gives the clips of fold k
    RUN/oof_scores.csv         one row a video, out of fold
    RUN/oof_clip_scores.csv    one row a clip, out of fold
    RUN/final/                 a training on all of it, for evaluate and export
    RUN/crossval.html          what a person wants to know of it
    RUN/crossval.json          the same for machines; written last

The best epoch of a fold is chosen on a part of what it trains on, by group again, and never on the fold that is scored.
A fake that wears the face of somebody of another part is in none of them: that person is real elsewhere.
The final training has nothing left to choose on: it takes as many epochs as the folds' best ones had in the middle.
"""

import csv
import dataclasses
import io
import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic, runs, splits
from deepfake_tf.batching.clip_table import ClipTable, list_clips
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.judging import scoring
from deepfake_tf.judging.decision import Decision
from deepfake_tf.learning import training
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.manifest import VideoEntry, read_manifest
from deepfake_tf.records import read_index
from deepfake_tf.reporting import breakdown, measures
from deepfake_tf.reporting.matched_pairs import pair_words
from deepfake_tf.reporting.score_tables import write_table
from deepfake_tf.schema import LABEL_NAMES, SPLITS
from deepfake_tf.searching import crossval_report

CROSSVAL_VERSION = 3
FOLDS_FILE = "folds.json"
HELD_OUT_FILE = "held_out.csv"
RESULT_FILE = "crossval.json"


@dataclass(frozen=True)
class FoldSettings:
    """How the videos are dealt into folds.

    Attributes:
        num_folds: 2 or more.
        val_share: of the videos outside a fold, on which its best epoch is chosen, in (0, 1).
        seed: another one gives other folds.
    """

    num_folds: int = 5
    val_share: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.num_folds, int) or self.num_folds < 2:
            raise ConfigError(f"num_folds must be a whole number of 2 or more. Received: {self.num_folds!r}")
        if not 0 < self.val_share < 1:
            raise ConfigError(f"val_share must lie in (0, 1). Received: {self.val_share!r}")


@dataclass(frozen=True)
class Standing:
    """Where a cross-validation stands.

    Attributes:
        fold: the fold that is left out, from 0; num_folds for the final training.
        num_folds: how many there are.
        training: where its training stands, None between trainings.
    """

    fold: int
    num_folds: int
    training: training.Progress | None


OnProgress = Callable[[Standing], None]


@dataclass(frozen=True)
class Fold:
    """The clips of one training of a cross-validation.

    Attributes:
        train: to learn from.
        val: to choose the best epoch on.
        held_out: to be scored.
        num_left_out: fakes that wear the face of somebody of another part than their own.
    """

    train: ClipTable
    val: ClipTable
    held_out: ClipTable
    num_left_out: int


def cross_validate(
    data_dir: Path | str,
    run_dir: Path | str,
    settings: TrainSettings,
    *,
    folds: FoldSettings = FoldSettings(),
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Trains once for each fold without it, scores it, and trains a final model on all.

    One that was stopped goes on where it stopped and gives the same; a finished one is returned as it is.

    Args:
        data_dir: a finished extraction; all its labelled clips but those of the test split are used.
        run_dir: where all is written; made if it is not there.
        settings: of each training; `epochs` at most.
        folds: how the videos are dealt.
        on_progress: called after each step of a training and after each fold.

    Returns:
        What crossval.json holds.

    Raises:
        ConfigError: the folder holds another cross-validation, or there are too few groups.
        DataError: a part of a fold has videos of one class only.
        TrainingError: a training failed.
    """
    run_dir = Path(run_dir)
    identity = {
        "settings": settings.to_json(),
        "folds": dataclasses.asdict(folds),
        "fingerprint": read_index(data_dir).fingerprint(),
    }
    finished = _find_finished(run_dir, identity)
    if finished:
        return finished
    clips = _list_clips(data_dir)
    if settings.num_frames:
        clips = clips.with_num_frames(settings.num_frames)
    entries = _entries(data_dir, clips)
    by_video = splits.assign_folds(entries, num_folds=folds.num_folds, seed=folds.seed)
    # Before the first training: what is too small for its last fold should be said now.
    parts = list(_deal(clips, entries, by_video, folds))
    run_dir.mkdir(parents=True, exist_ok=True)
    atomic.claim(
        run_dir / FOLDS_FILE,
        {"format_version": CROSSVAL_VERSION, "identity": identity, "videos": by_video},
        f"{run_dir} holds an unfinished cross-validation with other folds, settings or data, or of another release. "
        "Choose another --out, or delete it.",
    )
    report = on_progress or (lambda at: None)
    rows, logits = [], []
    for number, part in enumerate(parts):
        fold_dir = run_dir / "folds" / str(number)
        run = _train(data_dir, fold_dir, settings, part.train, part.val, _tell(report, number, folds.num_folds))
        logits.append(_score(fold_dir, part.held_out))
        rows.append(_describe(number, run, part, logits[-1]))
        report(Standing(number, folds.num_folds, None))
    num_epochs = max(1, round(statistics.median(row["best_epoch"] for row in rows)))
    final = dataclasses.replace(settings, epochs=num_epochs, patience=0)
    tell = _tell(report, folds.num_folds, folds.num_folds)
    _train(data_dir, run_dir / "final", final, clips, None, tell)
    pooled = _pool(run_dir, parts, logits)
    result = {
        "format_version": CROSSVAL_VERSION,
        "identity": identity,
        "environment": runs.describe_environment(),
        "data": {"path": str(data_dir), "num_videos": len(by_video), "num_clips": len(clips)},
        "folds": rows,
        "over_folds": _over_folds(rows),
        "pooled": pooled,
        "final": {"path": "final", "num_epochs": num_epochs},
    }
    crossval_report.write(run_dir, result)
    atomic.write_whole(run_dir / RESULT_FILE, (json.dumps(result, indent=2) + "\n").encode())
    return result


# The folds -----------------------------------------------------------------------------------------------------------


def _list_clips(data_dir: Path | str) -> ClipTable:
    there = read_index(data_dir).shards
    chosen = [split for split in SPLITS if split != "test" and there.get(split)]
    if not chosen:
        raise DataError(f"{data_dir} has no shards but those of the test split: there is nothing to cross-validate on.")
    return list_clips(data_dir, chosen).labelled()


def _entries(data_dir: Path | str, clips: ClipTable) -> list[VideoEntry]:
    there = set(clips.video_ids)
    return [one for one in read_manifest(Path(data_dir) / "manifest.csv") if one.video_id in there]


def _deal(
    clips: ClipTable, entries: Sequence[VideoEntry], by_video: Mapping[str, int], folds: FoldSettings
) -> Iterator[Fold]:
    for number in range(folds.num_folds):
        others = [one for one in entries if by_video[one.video_id] != number]
        shares = (1 - folds.val_share, folds.val_share, 0.0)
        inner = {one.video_id: one.split for one in splits.assign_splits(others, shares=shares, seed=folds.seed)}
        where = np.array([inner.get(name, "held out") for name in clips.video_ids])
        whole = {part: clips.select(np.flatnonzero(where == part)) for part in ("train", "val", "held out")}
        parts = {part: found.within(set(found.groups)) for part, found in whole.items()}
        for part in ("train", "val"):
            _require_both(parts[part], part, number, folds)
        num_left_out = sum(len(set(whole[part].video_ids) - set(parts[part].video_ids)) for part in parts)
        yield Fold(parts["train"], parts["val"], parts["held out"], num_left_out)


def _require_both(clips: ClipTable, part: str, number: int, folds: FoldSettings) -> None:
    counts = clips.label_counts() if len(clips) else dict.fromkeys(LABEL_NAMES, 0)
    if not all(counts.values()):
        found = " and ".join(f"{count} {name}" for name, count in counts.items())
        raise DataError(
            f"Outside fold {number} of {folds.num_folds}, the part for {part} needs real and fake clips. Received: "
            f"{found}. There are too few groups: take fewer folds, or another val_share or seed."
        )


# One fold ------------------------------------------------------------------------------------------------------------


def _tell(report: OnProgress, fold: int, num_folds: int) -> training.OnProgress:
    return lambda at: report(Standing(fold, num_folds, at))


def _train(
    data_dir: Path | str,
    run_dir: Path,
    settings: TrainSettings,
    train_clips: ClipTable,
    val_clips: ClipTable | None,
    on_progress: training.OnProgress,
) -> dict[str, Any]:
    # What earlier folds built would stay in memory.
    keras.backend.clear_session()
    return training.train(
        data_dir, run_dir, settings, train_clips=train_clips, val_clips=val_clips, on_progress=on_progress
    )


def _score(fold_dir: Path, clips: ClipTable) -> NDArray[np.float64]:
    """Returns the logits of the clips [N], from the file if they are there."""
    path = fold_dir / HELD_OUT_FILE
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            found = {row["example_id"]: float(row["logit"]) for row in csv.DictReader(file)}
        return np.array([found[name] for name in clips.example_ids])
    model, _ = runs.load_run(fold_dir)
    logits = scoring.predict_logits(model, clips)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["example_id", "logit"])
    writer.writerows(zip(clips.example_ids, map(float, logits), strict=True))
    atomic.write_whole(path, text.getvalue().encode())
    return logits


def _describe(number: int, run: Mapping[str, Any], part: Fold, logits: NDArray[np.float64]) -> dict[str, Any]:
    videos = scoring.join_videos(part.held_out, logits)
    summary = measures.summarise(videos.labels, videos.logits, videos.groups, Decision())
    return {
        "fold": number,
        "num_epochs": run["result"]["num_epochs"],
        "best_epoch": run["result"]["best_epoch"],
        "chosen_on": {"monitor": run["result"]["monitor"], "metrics": run["result"]["metrics"]},
        "num_train_videos": len(set(part.train.video_ids)),
        "num_val_videos": len(set(part.val.video_ids)),
        "num_clips": len(part.held_out),
        "num_left_out": part.num_left_out,
        **{name: summary[name] for name in ("num_real", "num_fake", "num_groups", "metrics")},
    }


# All folds -----------------------------------------------------------------------------------------------------------


def _over_folds(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | int | None]]:
    """Mean and standard deviation of each metric over the folds that have it."""
    found = {}
    for name in rows[0]["metrics"]:
        values = [row["metrics"][name] for row in rows if row["metrics"][name] is not None]
        found[name] = {
            "mean": statistics.fmean(values) if values else None,
            "spread": statistics.stdev(values) if len(values) > 1 else None,
            "num_folds": len(values),
        }
    return found


def _pool(run_dir: Path, parts: Sequence[Fold], logits: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
    """Writes the out-of-fold scores; returns what they say together."""
    clip_rows, video_rows = [], []
    for number, (part, own) in enumerate(zip(parts, logits, strict=True)):
        clip_rows += _clip_rows(number, part.held_out, own)
        video_rows += _video_rows(number, part.held_out, own)
    write_table(run_dir / "oof_clip_scores.csv", clip_rows)
    write_table(run_dir / "oof_scores.csv", video_rows)
    return {
        "videos": _summarise(video_rows),
        "clips": _summarise(clip_rows),
        "by": breakdown.break_down(video_rows, Decision(), ()),
    }


def _summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    labels = np.array([LABEL_NAMES.index(row["label"]) for row in rows], np.int64)
    return measures.measure(
        labels, np.array([row["logit"] for row in rows]), [row["group"] for row in rows], Decision()
    )


def _clip_rows(number: int, clips: ClipTable, logits: NDArray[np.float64]) -> list[dict[str, Any]]:
    scores = scoring.clip_scores(logits)
    return [
        {
            "example_id": clips.example_ids[row],
            "video_id": clips.video_ids[row],
            "fold": number,
            "label": LABEL_NAMES[int(clips.labels[row])],
            "group": clips.groups[row],
            "logit": float(logits[row]),
            "score": float(scores[row]),
        }
        for row in range(len(clips))
    ]


def _video_rows(number: int, clips: ClipTable, logits: NDArray[np.float64]) -> list[dict[str, Any]]:
    videos = scoring.join_videos(clips, logits)
    first = {name: row for row, name in reversed(list(enumerate(clips.video_ids)))}
    pairs = pair_words(clips)
    return [
        {
            "video_id": name,
            "fold": number,
            "label": LABEL_NAMES[int(videos.labels[row])],
            "group": videos.groups[row],
            "method": clips.methods[first[name]],
            "dataset": clips.datasets[first[name]],
            "original_id": clips.original_ids[first[name]],
            breakdown.PAIR: pairs[name],
            "num_clips": int(videos.num_clips[row]),
            "logit": float(videos.logits[row]),
            "score": float(videos.scores[row]),
        }
        for row, name in enumerate(videos.video_ids)
    ]


# The folder ----------------------------------------------------------------------------------------------------------


def _find_finished(run_dir: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    path = run_dir / RESULT_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is damaged ({error}). Delete it, or choose another --out.") from error
    if found.get("format_version") != CROSSVAL_VERSION or found.get("identity") != identity:
        raise ConfigError(f"{run_dir} holds another finished cross-validation. Choose another --out, or delete it.")
    return found
