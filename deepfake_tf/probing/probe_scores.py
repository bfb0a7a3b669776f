"""How well a probe does: AUC over videos with an interval over groups, AUC over clips, and which cell is best."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.judging import scoring
from deepfake_tf.metrics import roc_auc
from deepfake_tf.reporting.matched_pairs import MATCHED, pair_words
from deepfake_tf.reporting.resampling import Draws, draw_groups, middle, num_groups_of_a_class


def measure(clips: ClipTable, logits: NDArray[np.float64]) -> dict[str, Any]:
    """Returns how well logits of clips tell real from fake, over videos and over clips.

    Args:
        clips: N, labelled.
        logits: float64 [N].

    Returns:
        {"roc_auc", "interval": [low, high], "pairs": {"roc_auc", "interval"}, "clip_auc", "accuracy"}; None where there
        is no value. An interval is 95 %, by the bootstrap over groups; pairs are the matched ones alone, None where no
        video or every one is of a pair; accuracy counts logits above 0 as fake.
    """
    videos = scoring.join_videos(clips, logits)
    words = pair_words(clips)
    paired = np.array([words[name] == MATCHED for name in videos.video_ids])
    groups = np.array(videos.groups)
    return {
        **_auc(videos.labels, videos.logits, groups),
        "pairs": _auc(videos.labels[paired], videos.logits[paired], groups[paired])
        if paired.any() and not paired.all()
        else None,
        "clip_auc": _or_none(roc_auc.compute(clips.labels, logits)),
        "accuracy": float(np.mean((videos.logits >= 0) == (videos.labels == 1))),
    }


def _auc(labels: NDArray[np.int64], logits: NDArray[np.float64], groups: NDArray) -> dict[str, Any]:
    found = _or_none(roc_auc.compute(labels, logits))
    return {"roc_auc": found, "interval": auc_interval(labels, logits, groups.tolist())}


def auc_interval(labels: NDArray[np.int64], logits: NDArray[np.float64], groups: Sequence[str]) -> list[float | None]:
    """Returns the 95 % interval of the AUC over videos, drawn over groups; two None where it cannot be had."""
    if len(set(groups)) < 2 or len(set(labels.tolist())) < 2:
        return [None, None]
    draws = [roc_auc.compute_draws(Draws(labels, logits, weights)) for weights in draw_groups(groups)]
    found = middle(np.concatenate(draws), num_groups_of_a_class(labels, groups))
    if found.high - found.low < 1e-12:
        # As measures.py: the same in every draw, which says nothing of other videos.
        return [None, None]
    return [_or_none(found.low), _or_none(found.high)]


def best_cell(cells: Sequence[Mapping[str, Any]]) -> int:
    """Returns the number of the cell with the best AUC over the videos of "val".

    Of equal ones that with the best AUC over clips, and of those the first: the plainest, if the plain were asked for
    first.
    """
    return max(range(len(cells)), key=lambda one: (cells[one]["val"]["roc_auc"], cells[one]["val"]["clip_auc"], -one))


def describe_split(clips: ClipTable) -> dict[str, Any]:
    """Returns how many videos, groups and clips there are."""
    return {
        "num_videos": len(set(clips.video_ids)),
        "num_groups": len(set(clips.groups)),
        "num_clips": clips.label_counts(),
    }


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
