"""Evaluation: a run and a split in, scores and a report out.

OUT/clip_scores.csv     one row a clip
OUT/video_scores.csv    one row a video of the split, those that could not be judged included
OUT/confusion.png       the videos' confusion matrix
OUT/report.html         all of it on one page that needs nothing else
OUT/report.json         the same for machines, written last: it marks the evaluation finished
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic, metrics, report, scoring
from deepfake_tf.clip_table import ClipTable, list_clips
from deepfake_tf.data_folder import Failure, read_failures
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.manifest import VideoEntry, label_word, read_manifest
from deepfake_tf.metrics import roc_auc
from deepfake_tf.records import read_index
from deepfake_tf.runs import load_run
from deepfake_tf.schema import ClipSpec
from deepfake_tf.scoring import VideoScores

REPORT_VERSION = 1
REPORT_FILE = "report.json"

# How many clips a video gives may differ between training and evaluation; how a clip is made may not.
_FREE_SETTINGS = {"clips_per_video", "clip_stride", "max_tracks"}


def evaluate(
    run_dir: Path | str,
    data_dir: Path | str,
    split: str,
    out_dir: Path | str,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Scores a split with a trained model and reports how right it was.

    A finished evaluation of the same run, data and split is returned as it is.

    Args:
        run_dir: a finished run.
        data_dir: a finished extraction.
        split: train, val or test.
        out_dir: where the report is written; made if it is not there.
        on_progress: called with the number of batches done and of all.

    Returns:
        What report.json holds.

    Raises:
        ConfigError: there is no run, the clips were made in another way than the model's, or the folder holds another
            evaluation.
        DataError: the split has no labelled clips.
    """
    out_dir = Path(out_dir)
    model, run = load_run(run_dir)
    index = read_index(data_dir)
    _check_spec(ClipSpec.from_json(run["data"]["clip_spec"]), index.spec, data_dir)
    source = {
        "run_path": str(run_dir),
        "run": run,
        "data": {"path": str(data_dir), "fingerprint": index.fingerprint(), "split": split},
    }
    finished = _find_finished(out_dir, source)
    if finished:
        return finished
    clips = list_clips(data_dir, [split]).labelled()
    if not len(clips):
        raise DataError(f"The split {split!r} of {data_dir} has no labelled clips: nothing to hold scores against.")
    logits = scoring.predict_logits(model, clips, on_progress=on_progress)
    videos = scoring.join_videos(clips, logits)
    entries = {one.video_id: one for one in read_manifest(Path(data_dir) / "manifest.csv")}
    failures = {one.video_id: one for one in read_failures(data_dir)}
    out_dir.mkdir(parents=True, exist_ok=True)
    _write_table(out_dir / "clip_scores.csv", _clip_rows(clips, logits, entries))
    _write_table(out_dir / "video_scores.csv", _video_rows(videos, entries, failures, split))
    results = {
        **source,
        "coverage": _coverage(entries.values(), failures, videos, split),
        "clips": _measure(clips.labels, scoring.clip_scores(logits), clips.groups),
        "videos": _measure(videos.labels, videos.scores, videos.groups),
    }
    return _write_report(out_dir, {"format_version": REPORT_VERSION, **results})


def confusion(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> list[list[int]]:
    """Returns [[real called real, real called fake], [fake called real, fake called fake]]."""
    called = np.asarray(scores) >= metrics.THRESHOLD
    return [[int(np.sum(called[labels == label] == answer)) for answer in (False, True)] for label in (0, 1)]


# Before scoring ------------------------------------------------------------------------------------------------------


def _check_spec(trained: ClipSpec, found: ClipSpec, data_dir: Path | str) -> None:
    have, want = found.to_json(), trained.to_json()
    wrong = [
        f"{name} {have[name]} instead of {want[name]}"
        for name in want
        if name not in _FREE_SETTINGS and have[name] != want[name]
    ]
    if wrong:
        raise ConfigError(
            f"The clips of {data_dir} were made in another way than those the model learned from: {', '.join(wrong)}. "
            "Extract the videos again with the model's settings."
        )


def _find_finished(out_dir: Path, source: Mapping[str, Any]) -> dict[str, Any] | None:
    path = out_dir / REPORT_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is damaged ({error}). Delete it, or choose another --out.") from error
    # Without the paths: a run that was moved is the same run.
    same = found.get("run") == source["run"] and all(
        found.get("data", {}).get(name) == source["data"][name] for name in ("fingerprint", "split")
    )
    if not same or found.get("format_version") != REPORT_VERSION:
        raise ConfigError(f"{out_dir} holds another evaluation. Choose another --out, or delete it.")
    return found


# Numbers -------------------------------------------------------------------------------------------------------------


def _measure(labels: NDArray[np.int64], scores: NDArray[np.float64], groups: Sequence[str]) -> dict[str, Any]:
    interval = metrics.bootstrap_interval(roc_auc.compute, labels, scores, groups)
    return {
        "num_real": int(np.sum(labels == 0)),
        "num_fake": int(np.sum(labels == 1)),
        "num_groups": len(set(groups)),
        "metrics": {name: _or_none(value) for name, value in metrics.compute_all(labels, scores).items()},
        "roc_auc_interval": [_or_none(end) for end in interval],
        "confusion": confusion(labels, scores),
        "threshold": metrics.THRESHOLD,
    }


def _coverage(
    entries: Iterable[VideoEntry], failures: Mapping[str, Failure], videos: VideoScores, split: str
) -> dict[str, Any]:
    own = [one for one in entries if one.split == split and one.label is not None]
    judged = set(videos.video_ids)
    refused = Counter(
        str(failures[one.video_id].outcome) if one.video_id in failures else ""
        for one in own
        if one.video_id not in judged
    )
    return {
        "num_videos": len(own),
        "num_judged": len(judged),
        "share_judged": len(judged) / len(own) if own else None,
        "refused": dict(sorted(refused.items())),
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


# Tables --------------------------------------------------------------------------------------------------------------


def _known(entry: VideoEntry | None) -> dict[str, Any]:
    if entry is None:
        return {}
    return {"dataset": entry.dataset, "method": entry.method, "label": label_word(entry), **entry.attributes}


def _clip_rows(
    clips: ClipTable, logits: NDArray[np.float64], entries: Mapping[str, VideoEntry]
) -> list[dict[str, Any]]:
    scores = scoring.clip_scores(logits)
    return [
        {
            "example_id": clips.example_ids[row],
            "video_id": clips.video_ids[row],
            "track_id": int(clips.track_ids[row]),
            "group": clips.groups[row],
            "logit": float(logits[row]),
            "score": float(scores[row]),
            **_known(entries.get(clips.video_ids[row])),
        }
        for row in range(len(clips))
    ]


def _video_rows(
    videos: VideoScores,
    entries: Mapping[str, VideoEntry],
    failures: Mapping[str, Failure],
    split: str,
) -> list[dict[str, Any]]:
    rows = []
    for number, video_id in enumerate(videos.video_ids):
        judged = {
            "num_clips": int(videos.num_clips[number]),
            "logit": float(videos.logits[number]),
            "score": float(videos.scores[number]),
        }
        head = {"video_id": video_id, "group": videos.groups[number], "outcome": "OK", "reason": ""}
        rows.append({**head, **judged, **_known(entries.get(video_id))})
    for video_id, failure in failures.items():
        entry = entries.get(video_id)
        if entry is not None and entry.split == split and entry.label is not None:
            head = {"video_id": video_id, "group": entry.group, "outcome": str(failure.outcome)}
            nothing = {"reason": failure.reason, "num_clips": 0, "logit": "", "score": ""}
            rows.append({**head, **nothing, **_known(entry)})
    return rows


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    atomic.write_whole(path, text.getvalue().encode())


def _write_report(out_dir: Path, results: dict[str, Any]) -> dict[str, Any]:
    picture = report.draw_confusion(results["videos"]["confusion"])
    atomic.write_whole(out_dir / "confusion.png", picture)
    atomic.write_whole(out_dir / "report.html", report.render(results, confusion_png=picture).encode())
    atomic.write_whole(out_dir / REPORT_FILE, (json.dumps(results, indent=2) + "\n").encode())
    return results
