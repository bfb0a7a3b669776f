"""Evaluation: a run and a split in, scores and a report out.

OUT/clip_scores.csv     one row a clip
OUT/track_scores.csv    one row a face
OUT/video_scores.csv    one row a video of the split, those that could not be judged included
OUT/report.html         all of it on one page that needs nothing else
OUT/report.json         the same for machines, written last: it marks the evaluation finished

report.json holds

    {"format_version", "command": the one that makes it again,
     "run_path", "run": what run.json holds, "data": {"path", "fingerprint", "split"},
     "decision": {"joining", "calibration": {"method", "scale", "offset", "logits", "scores"}, "threshold", "band",
                  "chosen_on": on which split and what for, see run_calibration.py; None if nothing was chosen},
     "coverage": {"num_videos", "num_judged", "share_judged", "num_inconclusive", "refused": {outcome: number}},
     "clips", "tracks", "videos": how right each level is, see measures.py,
     "by": {column: [{"value", "against", "coverage", ...}]}, see breakdown.py}
"""

import json
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepfake_tf import atomic
from deepfake_tf.batching.clip_table import ClipTable, list_clips
from deepfake_tf.data_folder import read_failures
from deepfake_tf.degrading import robustness
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.judging import decision, scoring
from deepfake_tf.judging.verdict import Answer
from deepfake_tf.manifest import VideoEntry, read_manifest, read_table
from deepfake_tf.records import read_index
from deepfake_tf.reporting import breakdown, face_sizes, matched_pairs, measures, report
from deepfake_tf.reporting.score_tables import Row, ScoreTables, make_tables
from deepfake_tf.runs import check_spec, load_run
from deepfake_tf.schema import LABEL_NAMES

REPORT_VERSION = 2
REPORT_FILE = "report.json"


def evaluate(
    run_dir: Path | str,
    data_dir: Path | str,
    split: str,
    out_dir: Path | str,
    *,
    by: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Scores a split with a trained model and reports how right it was.

    Answers are made as RUN/calibration.json says, if it is there. A finished evaluation of the same run, calibration,
    data and split is returned as it is.

    Args:
        run_dir: a finished run.
        data_dir: a finished extraction.
        split: train, val or test.
        out_dir: where the report is written; made if it is not there.
        by: columns of the manifest to measure by, beside those that breakdown.py takes by itself.
        on_progress: called with the number of batches done and of all.

    Returns:
        What report.json holds.

    Raises:
        ConfigError: there is no run, the clips were made in another way than the model's, the folder holds another
            evaluation, or the manifest has no such column.
        DataError: the split has no labelled clips.
    """
    out_dir = Path(out_dir)
    model, run = load_run(run_dir)
    chosen, chosen_on = decision.read(run_dir, run)
    source = {
        "run_path": str(run_dir),
        "run": run,
        "data": {"path": str(data_dir), "fingerprint": check_data(run, data_dir), "split": split},
        "decision": chosen.to_json() | {"chosen_on": chosen_on},
    }
    entries = labelled_entries(data_dir, split)
    breakdown.check_columns(by, entries)
    finished = _find_finished(out_dir, source, by)
    if finished:
        take_up_robustness(out_dir, finished)
        return finished
    clips = labelled_clips(data_dir, split)
    logits = scoring.predict_logits(model, clips, on_progress=on_progress)
    tables = make_tables(
        clips, logits, chosen, entries=entries, failures=read_failures(data_dir), columns=_seen_columns(clips)
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    tables.write(out_dir)
    results = {
        "format_version": REPORT_VERSION,
        "command": _command(run_dir, data_dir, split, out_dir, by),
        **source,
        **_measure(tables, chosen, by),
    }
    _write_page(out_dir, results, tables.videos, robustness.find(run_dir, run, split))
    atomic.write_whole(out_dir / REPORT_FILE, (json.dumps(results, indent=2) + "\n").encode())
    return results


def check_data(run: Mapping[str, Any], data_dir: Path | str) -> str:
    """Returns the fingerprint of a folder of shards whose clips a run's model can judge.

    Raises:
        ConfigError: its clips were made in another way than those the model learned from.
    """
    index = read_index(data_dir)
    check_spec(run, index.spec, data_dir)
    return index.fingerprint()


def labelled_entries(data_dir: Path | str, split: str) -> list[VideoEntry]:
    """Returns the labelled videos of a split, judged or not."""
    entries = read_manifest(Path(data_dir) / "manifest.csv")
    return [one for one in entries if one.split == split and one.label is not None]


def labelled_clips(data_dir: Path | str, split: str) -> ClipTable:
    """Returns the labelled clips of a split.

    Raises:
        DataError: it has none.
    """
    clips = list_clips(data_dir, [split]).labelled()
    if not len(clips):
        raise DataError(f"The split {split!r} of {data_dir} has no labelled clips: nothing to hold scores against.")
    return clips


def _find_finished(out_dir: Path, source: Mapping[str, Any], by: Sequence[str]) -> dict[str, Any] | None:
    path = out_dir / REPORT_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is damaged ({error}). Delete it, or choose another --out.") from error
    if found.get("format_version") != REPORT_VERSION:
        raise ConfigError(
            f"{path} has format version {found.get('format_version')}; this program writes version {REPORT_VERSION}. "
            "Delete the folder, or choose another --out."
        )
    # Without the paths: a run that was moved is the same run.
    same = found.get("run") == source["run"] and all(
        found.get("data", {}).get(name) == source["data"][name] for name in ("fingerprint", "split")
    )
    if not same or not set(by) <= set(found["by"]):
        raise ConfigError(f"{out_dir} holds another evaluation. Choose another --out, or delete it.")
    if found["decision"] != json.loads(json.dumps(source["decision"])):
        raise ConfigError(
            f"{out_dir} holds an evaluation from before the run was calibrated, or after another calibration. "
            "Choose another --out, or delete it."
        )
    return found


def _command(run_dir: Path | str, data_dir: Path | str, split: str, out_dir: Path, by: Sequence[str]) -> str:
    words = ["pipelines.evaluate", str(run_dir), str(data_dir), "--split", split, "--out", str(out_dir)]
    return shlex.join(["python", "-m", *words, *(["--by", *by] if by else [])])


def _seen_columns(clips: ClipTable) -> dict[str, dict[str, str]]:
    """Returns what the clips say of each video by its id: how large its faces are, and whether it has its pair."""
    sizes = face_sizes.median_sizes_px(clips)
    words = {
        video_id: face_sizes.size_word(float(np.median(sizes[rows])))
        for video_id, rows in scoring.rows_by_video(clips).items()
    }
    return {breakdown.FACE_SIZE: words, breakdown.PAIR: matched_pairs.pair_words(clips)}


def _measure(tables: ScoreTables, chosen: decision.Decision, by: Sequence[str]) -> dict[str, Any]:
    levels = {"clips": tables.clips, "tracks": tables.tracks, "videos": tables.judged}
    return {
        "coverage": _coverage(tables.videos),
        **{level: _measure_rows(rows, chosen) for level, rows in levels.items()},
        "by": breakdown.break_down(tables.videos, chosen, by, _coverage),
    }


def _measure_rows(rows: Sequence[Row], chosen: decision.Decision) -> dict[str, Any]:
    labels = np.array([LABEL_NAMES.index(row["label"]) for row in rows])
    logits = np.array([row["logit"] for row in rows], np.float64)
    return measures.measure(labels, logits, [row["group"] for row in rows], chosen)


def _coverage(videos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    refused = Counter(row["outcome"] for row in videos if row["logit"] == "")
    num_judged = len(videos) - refused.total()
    return {
        "num_videos": len(videos),
        "num_judged": num_judged,
        "share_judged": num_judged / len(videos) if videos else None,
        "num_inconclusive": sum(row["verdict"] == Answer.INCONCLUSIVE for row in videos),
        "refused": dict(sorted(refused.items())),
    }


def take_up_robustness(out_dir: Path | str, results: Mapping[str, Any], given: Path | str | None = None) -> None:
    """Writes the page of a finished evaluation again, with the robustness that was measured since.

    Args:
        out_dir: the evaluation's folder.
        results: what its report.json holds.
        given: the folder of the measurement; if None it is looked for beside the run, and nothing is done without it.

    Raises:
        ConfigError: what was given is not there, or was measured of another run or split.
        DataError: it is damaged.
    """
    worse = robustness.find(results["run_path"], results["run"], results["data"]["split"], given=given)
    if worse:
        _write_page(Path(out_dir), results, read_table(Path(out_dir) / "video_scores.csv"), worse)


def _write_page(
    out_dir: Path, results: Mapping[str, Any], videos: Sequence[Mapping[str, Any]], worse: Mapping[str, Any] | None
) -> None:
    data_dir, split = results["data"]["path"], results["data"]["split"]
    entries = read_manifest(Path(data_dir) / "manifest.csv")
    report.write(
        out_dir, results, videos=videos, clips=labelled_clips(data_dir, split), entries=entries, robustness=worse
    )
