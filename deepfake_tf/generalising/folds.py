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

Judge = Callable[[int, ClipTable, ClipTable], tuple[Said, Said]]
"""Takes the number of a fold, its videos and the fakes that were made from its reals, and returns what a model says of
both that has not seen their groups."""


def assign(material: Material, entries: Sequence[VideoEntry], *, num_folds: int, seed: int) -> dict[str, int]:
    """Returns the fold of each group of which there are clips.

    Args:
        material: the clips.
        entries: the manifest's rows.
        num_folds: 2 or more.
        seed: another one gives other folds.

    Raises:
        ConfigError: there are fewer groups than folds.
    """
    there = set(material.videos.video_ids)
    by_video = splits.assign_folds([one for one in entries if one.video_id in there], num_folds=num_folds, seed=seed)
    return {
        group: by_video[name] for name, group in zip(material.videos.video_ids, material.videos.groups, strict=True)
    }


def judge_all(material: Material, by_group: Mapping[str, int], judge: Judge) -> dict[str, Any]:
    """Returns how right a recipe is on matched pairs, on all videos, by method and on made fakes, and its calibration.

    Args:
        material: the clips, cut by the recipe's spec.
        by_group: the fold of each group.
        judge: trains and asks the model of a fold.
    """
    tables = (material.videos, _of_one_fold(material, by_group))
    folds = [np.array([by_group[name] for name in clips.groups]) for clips in tables]
    logits = [np.zeros(len(clips)) for clips in tables]
    for number in sorted(set(by_group.values())):
        rows = [np.flatnonzero(fold == number) for fold in folds]
        said = judge(number, *(clips.select(own) for clips, own in zip(tables, rows, strict=True)))
        for values, own, one in zip(logits, rows, said, strict=True):
            values[own] = one.logits
    whole, made = (Said(clips, values) for clips, values in zip(tables, logits, strict=True))
    return measure(whole, made, material.matched, by_group)


def _of_one_fold(material: Material, by_group: Mapping[str, int]) -> ClipTable:
    """The clips made of real videos, without fakes that wear the face of somebody of another fold.

    The model that judges them may have learned that person as real.
    """
    clips = material.of_videos
    shown = zip(clips.groups, clips.face_groups, strict=True)
    return clips.select(np.flatnonzero([by_group[face] == by_group[own] for own, face in shown]))


def measure(whole: Said, made: Said, matched: ClipTable, by_group: Mapping[str, int]) -> dict[str, Any]:
    """Returns what is said of all videos out of fold.

    Args:
        whole: the clips of all videos.
        made: those of real videos, and of fakes that were made from them.
        matched: those of matched pairs.
        by_group: the fold of each group.
    """
    pairs, made_videos = whole.of(matched).videos(), made.videos()
    fitted = calibrating.fit(made_videos, by_group)
    return {
        "matched": scores.of_matched(pairs),
        "all": scores.of_matched(whole.videos()),
        "methods": scores.of_methods(whole),
        "made": scores.of_held_out(made),
        "calibration": {
            **calibrating.published(fitted, made_videos, pairs),
            "made": calibrating.errors(made_videos, fitted),
            "matched": calibrating.errors(pairs, fitted),
        },
        "verdicts": calibrating.verdicts(whole, fitted),
    }
