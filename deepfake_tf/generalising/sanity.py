"""What must be so if a model knows fakes, and not something that happens to go with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepfake_tf import chance
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.generalising import models, scores
from deepfake_tf.generalising.scores import Said
from deepfake_tf.judging import scoring
from deepfake_tf.recipes.background import BLACKED_OUT


def check(run_dir: Path, said: Said, mislearned: Said) -> dict[str, Any]:
    """Returns all checks of a model on matched pairs that it has not learned from.

    Args:
        run_dir: its run.
        said: what it says of the clips of the pairs.
        mislearned: what a model says of them that has learned from shuffled labels.
    """
    videos = said.videos()
    return {
        "shuffled_labels": chance.shuffle_labels(videos.labels, videos.logits).to_json(),
        "learned_from_shuffled": scores.of_matched(mislearned.videos()),
        "faces_blacked_out": scores.of_matched(models.judge(run_dir, said.clips, (BLACKED_OUT,)).videos()),
        "steadiness": steadiness(said.clips, said.logits),
    }


def steadiness(clips: ClipTable, logits: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Returns how steady logits are over the frames of a video.

    Args:
        clips: N clips of one frame or more.
        logits: of each.

    Returns:
        "within": the mean over videos of the deviation among a video's clips; "between": the deviation of the videos'
        means; "agreeing": the share of clips on the same side of the middle as their video.
    """
    logits = np.asarray(logits, np.float64)
    rows = list(scoring.rows_by_video(clips).values())
    means = np.array([logits[own].mean() for own in rows])
    middle = float(np.median(means))
    agreeing = [
        float(np.mean((logits[own] > middle) == (mean > middle))) for own, mean in zip(rows, means, strict=True)
    ]
    return {
        "within": float(np.mean([logits[own].std() for own in rows])),
        "between": float(means.std()),
        "agreeing": float(np.mean(agreeing)),
    }
