"""What a model says of videos that it has not learned from, and what that tells: matched pairs, methods, differences.

    RUN/logits.csv             the logit of each clip of videos, "example_id,logit"
    RUN/logits_of_made.csv     and of fakes that were made here, and what they were made from

All else follows from these and the tables of clips.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.judging import scoring
from deepfake_tf.judging.decision import Decision
from deepfake_tf.judging.scoring import VideoScores
from deepfake_tf.metrics import roc_auc
from deepfake_tf.reporting import measures
from deepfake_tf.reporting.comparison import Pairs, compare_pairs
from deepfake_tf.reporting.resampling import num_groups_of_a_class
from deepfake_tf.schema import FAKE, JOINING_RULES, REAL

LOGITS_FILE = "logits.csv"
MADE_FILE = "logits_of_made.csv"
NUMBERS_OF_CLIPS = (1, 4, 16)
LEAST_GROUPS = 5
"""For an interval over groups that is to show something: of one, a draw holds all fakes or none of them."""

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class Said:
    """What a model says of some clips.

    Attributes:
        clips: N of them.
        logits: float64 [N].
    """

    clips: ClipTable
    logits: Logits

    def of(self, wanted: ClipTable) -> "Said":
        """Returns what is said of some of the clips, in their order."""
        by_name = dict(zip(self.clips.example_ids, self.logits.tolist(), strict=True))
        return Said(wanted, np.array([by_name[name] for name in wanted.example_ids]))

    def videos(self, joining: str = "mean") -> VideoScores:
        """Returns what is said of each video."""
        return scoring.join_videos(self.clips, self.logits, joining=joining)


def write_logits(path: Path, said: Said) -> None:
    """Writes what is said."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["example_id", "logit"])
    writer.writerows(zip(said.clips.example_ids, map(float, said.logits), strict=True))
    atomic.write_whole(path, text.getvalue().encode())


def read_logits(path: Path, clips: ClipTable) -> Said | None:
    """Returns what a file says of the clips, None if it is not there."""
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        found = {row["example_id"]: float(row["logit"]) for row in csv.DictReader(file)}
    return Said(clips, np.array([found[name] for name in clips.example_ids]))


# What it tells -------------------------------------------------------------------------------------------------------


def of_matched(videos: VideoScores) -> dict[str, Any]:
    """Returns the AUC of matched pairs with its interval over groups, and how often a fake is above its own real."""
    return {**of_videos(videos), "pairs_right": pairs_right(videos)}


def of_held_out(said: Said) -> dict[str, Any]:
    """Returns the AUC of the fakes of people held out, all kinds together and each by itself."""
    return {**of_videos(said.videos()), "kinds": of_methods(said)}


def of_videos(videos: VideoScores) -> dict[str, Any]:
    """Returns the AUC with its interval over groups."""
    found = measures.summarise(videos.labels, videos.logits, videos.groups, Decision())
    return {
        **{name: found[name] for name in ("num_real", "num_fake", "num_groups")},
        "auc": found["metrics"]["roc_auc"],
        "interval": found["intervals"]["roc_auc"],
    }


def pairs_right(videos: VideoScores) -> float:
    """Returns how often a fake scores above a real of its group, in the mean over groups; 0.5 is chance."""
    shares = []
    for group in sorted(set(videos.groups)):
        here = np.array([name == group for name in videos.groups])
        real, fake = (videos.logits[here & (videos.labels == label)] for label in (REAL, FAKE))
        if len(real) and len(fake):
            shares.append(float(np.mean((fake[:, None] > real) + 0.5 * (fake[:, None] == real))))
    return float(np.mean(shares))


def of_methods(said: Said) -> dict[str, dict[str, Any]]:
    """Returns for each method the AUC of its fakes against all reals, with its interval over groups.

    There is none if they, or the reals, are of fewer than LEAST_GROUPS. "num_fake_groups" are those of the fakes.
    """
    found: dict[str, dict[str, Any]] = {}
    methods = np.array(said.clips.methods)
    for method in sorted(set(said.clips.methods) - {""}):
        rows = np.flatnonzero((said.clips.labels == REAL) | (methods == method))
        videos = Said(said.clips.select(rows), said.logits[rows]).videos()
        of_fakes = {group for group, label in zip(videos.groups, videos.labels, strict=True) if label == FAKE}
        found[method] = {**of_videos(videos), "num_fake_groups": len(of_fakes)}
        if num_groups_of_a_class(videos.labels, videos.groups) < LEAST_GROUPS:
            found[method]["interval"] = [None, None]
    return found


def difference(first: VideoScores, second: VideoScores) -> dict[str, Any]:
    """Returns how much the AUC of the second lies above that of the first on the videos that both judged, in words too.

    A video may give no clips when it is cut in another way.
    """
    place = {name: row for row, name in enumerate(second.video_ids)}
    both = [row for row, name in enumerate(first.video_ids) if name in place]
    first_logits, second_logits = first.logits[both], second.logits[[place[first.video_ids[row]] for row in both]]
    pairs = Pairs(
        video_ids=tuple(first.video_ids[row] for row in both),
        labels=first.labels[both],
        groups=tuple(first.groups[row] for row in both),
        orders=np.stack([second_logits, first_logits]),
        scores=np.stack([scoring.clip_scores(one) for one in (second_logits, first_logits)]),
        thresholds=(0.5, 0.5),
    )
    auc = compare_pairs(pairs)["differences"]["roc_auc"]
    low, high = auc["interval"]
    decided = low is not None and not low <= 0 <= high
    words = ("better" if auc["difference"] > 0 else "worse") if decided else "undecided"
    return {"difference": auc["difference"], "interval": [low, high], "words": words}


def of_joining(said: Said) -> dict[str, dict[str, float]]:
    """Returns the AUC by joining rule and by how many clips of a video are looked at, evenly chosen."""
    found: dict[str, dict[str, float]] = {}
    for number in NUMBERS_OF_CLIPS:
        rows = [row for own in scoring.rows_by_video(said.clips).values() for row in _evenly(own, number)]
        some = Said(said.clips.select(rows), said.logits[rows])
        for rule in JOINING_RULES:
            videos = some.videos(rule)
            found.setdefault(rule, {})[str(number)] = float(roc_auc.compute(videos.labels, videos.logits))
    return found


def _evenly(rows: Sequence[int], number: int) -> list[int]:
    places = (np.arange(number) + 0.5) * len(rows) / number
    return [rows[place] for place in np.unique(places.astype(int))]
