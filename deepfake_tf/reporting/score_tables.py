"""Scores as tables, one row a clip, a track and a video, with what the manifest says of each.

clip_scores.csv     one row a clip
track_scores.csv    one row a face
video_scores.csv    one row a video of the split, those that could not be judged included

A logit is the model's, joined but not calibrated; a score is the calibrated P(fake) in [0, 1], as in a verdict.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.data_folder import Failure
from deepfake_tf.judging import scoring, verdict
from deepfake_tf.judging.decision import Decision
from deepfake_tf.manifest import VideoEntry, label_word

Row = dict[str, Any]


@dataclass(frozen=True)
class ScoreTables:
    """The rows of the three tables.

    Attributes:
        clips: one a clip.
        tracks: one a face.
        videos: one a video; those that were not judged have an empty logit, score and verdict.
    """

    clips: list[Row]
    tracks: list[Row]
    videos: list[Row]

    @property
    def judged(self) -> list[Row]:
        """The rows of the videos that have a score."""
        return [row for row in self.videos if row["logit"] != ""]

    def write(self, out_dir: Path) -> None:
        """Writes the three files, each whole."""
        for name, rows in (("clip", self.clips), ("track", self.tracks), ("video", self.videos)):
            write_table(out_dir / f"{name}_scores.csv", rows)


def make_tables(
    clips: ClipTable,
    logits: NDArray[np.float64],
    decision: Decision,
    *,
    entries: Sequence[VideoEntry],
    failures: Sequence[Failure],
    columns: Mapping[str, Mapping[str, str]] | None = None,
) -> ScoreTables:
    """Joins and calibrates, and adds what is known of each video.

    Args:
        clips: N labelled clips.
        logits: float64 [N].
        decision: how they become answers.
        entries: the labelled videos of the split.
        failures: the videos that gave no clips.
        columns: further ones by name, each the values by video id.
    """
    known = {
        entry.video_id: _known(entry) | {name: own.get(entry.video_id, "") for name, own in (columns or {}).items()}
        for entry in entries
    }
    videos = scoring.join_videos(clips, logits, joining=decision.joining, calibration=decision.calibration)
    reasons = {one.video_id: one for one in failures}
    judged = set(videos.video_ids)
    refused = [_refused(entry, reasons.get(entry.video_id)) for entry in entries if entry.video_id not in judged]
    return ScoreTables(
        clips=_with(known, _clip_rows(clips, logits, decision)),
        tracks=_with(known, _track_rows(clips, videos, decision)),
        videos=_with(known, [*_video_rows(videos, decision), *refused]),
    )


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a CSV file with the columns of all rows, in the order in which they first occur."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(name for row in rows for name in row)), restval="")
    writer.writeheader()
    writer.writerows(rows)
    atomic.write_whole(path, text.getvalue().encode())


def _known(entry: VideoEntry) -> Row:
    own = {"dataset": entry.dataset, "method": entry.method, "label": label_word(entry)}
    return {**own, "original_id": entry.original_id, **entry.attributes}


def _with(known: Mapping[str, Row], rows: Sequence[Row]) -> list[Row]:
    # A column of the manifest that is called as one of ours does not take its place.
    return [row | {name: value for name, value in known[row["video_id"]].items() if name not in row} for row in rows]


def _clip_rows(clips: ClipTable, logits: NDArray[np.float64], decision: Decision) -> list[Row]:
    scores = scoring.clip_scores(logits, decision.calibration)
    return [
        {
            "example_id": clips.example_ids[row],
            "video_id": clips.video_ids[row],
            "track_id": int(clips.track_ids[row]),
            "group": clips.groups[row],
            "logit": float(logits[row]),
            "score": float(scores[row]),
        }
        for row in range(len(clips))
    ]


def _track_rows(clips: ClipTable, videos: scoring.VideoScores, decision: Decision) -> list[Row]:
    rows = scoring.rows_by_video(clips)
    return [
        {
            "video_id": video_id,
            "track_id": track_id,
            "group": videos.groups[number],
            "num_clips": sum(int(clips.track_ids[row]) == track_id for row in rows[video_id]),
            "logit": logit,
            "score": verdict.score(logit, decision.calibration),
        }
        for number, video_id in enumerate(videos.video_ids)
        for track_id, logit in videos.track_logits[number].items()
    ]


def _video_rows(videos: scoring.VideoScores, decision: Decision) -> list[Row]:
    rows = []
    for number, video_id in enumerate(videos.video_ids):
        score = float(videos.scores[number])
        rows.append(
            {
                "video_id": video_id,
                "group": videos.groups[number],
                "outcome": "OK",
                "reason": "",
                "num_tracks": len(videos.track_logits[number]),
                "num_clips": int(videos.num_clips[number]),
                "logit": float(videos.logits[number]),
                "score": score,
                "verdict": str(verdict.answer(score, threshold=decision.threshold, band=decision.band)),
            }
        )
    return rows


def _refused(entry: VideoEntry, failure: Failure | None) -> Row:
    outcome, reason = (str(failure.outcome), failure.reason) if failure else ("", "it was not extracted")
    head = {"video_id": entry.video_id, "group": entry.group, "outcome": outcome, "reason": reason}
    return {**head, "num_tracks": 0, "num_clips": 0, "logit": "", "score": "", "verdict": ""}
