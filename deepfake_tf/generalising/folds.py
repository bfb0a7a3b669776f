"""Every video judged by a model that has seen nobody of its group, and no fake of a method in its fold."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deepfake_tf import splits
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.generalising import calibrating, scores
from deepfake_tf.generalising.material import Material
from deepfake_tf.generalising.scores import Said
from deepfake_tf.manifest import VideoEntry

Judge = Callable[[int, ClipTable], Said]
"""Takes the number of a fold and its clips, and returns what a model says of them that has not seen their groups."""


def judge_all(
    material: Material, entries: Sequence[VideoEntry], judge: Judge, *, num_folds: int, seed: int
) -> dict[str, Any]:
    """Returns how right a recipe is on matched pairs, on all videos and by method, and its calibration.

    Args:
        material: the clips.
        entries: the manifest's rows.
        judge: trains and asks the model of a fold.
        num_folds: 2 or more.
        seed: another one gives other folds.
    """
    there = set(material.videos.video_ids)
    by_video = splits.assign_folds([one for one in entries if one.video_id in there], num_folds=num_folds, seed=seed)
    clips = material.videos
    fold = np.array([by_video[name] for name in clips.video_ids])
    logits = np.zeros(len(clips))
    for number in range(num_folds):
        own = np.flatnonzero(fold == number)
        logits[own] = judge(number, clips.select(own)).logits
    return measure(Said(clips, logits), material.matched, by_video)


def measure(whole: Said, matched: ClipTable, by_video: Mapping[str, int]) -> dict[str, Any]:
    """Returns what is said of all videos out of fold.

    Args:
        whole: the clips of all videos.
        matched: those of matched pairs.
        by_video: the fold of each video.
    """
    videos = whole.of(matched).videos()
    return {
        "matched": scores.of_matched(videos),
        "all": scores.of_matched(whole.videos()),
        "methods": scores.of_methods(whole),
        "calibration": calibrating.out_of_fold(videos, by_video),
    }
