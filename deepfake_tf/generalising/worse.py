"""What worse pictures cost a model on fakes of people held out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepfake_tf.augment import ClipOp, h264
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.degrading.degradations import CLEAN, DEGRADATIONS
from deepfake_tf.generalising import models, scores

# Videos are stored again as they are; photographs are videos of one frame.
_OPS: Mapping[str, Callable[[float], ClipOp]] = {
    **{one.name: one.op for one in DEGRADATIONS if one.op},
    "h264": lambda rate: h264.Op(probability=1.0, rate_factor=(int(rate), int(rate))),
}


def measure(
    run_dir: Path, clips: ClipTable, wanted: Mapping[str, Sequence[float]], on_progress: Callable[[int, int], None]
) -> dict[str, dict[str, Any]]:
    """Returns the AUC of the clips as they are and of worse ones, and what each costs.

    Args:
        run_dir: a finished run.
        clips: of people whom it has not seen, and fakes of them.
        wanted: strengths by the name of a degradation.
        on_progress: is told how many are measured, and of how many.

    Returns:
        {title: {strength: {"auc", "interval", "against_clean"}}}; the first title and strength are "clean".
    """
    titles = {one.name: one.title for one in DEGRADATIONS}
    steps = [(name, strength) for name, strengths in wanted.items() for strength in strengths]
    clean = models.judge(run_dir, clips).videos()
    found: dict[str, dict[str, Any]] = {CLEAN: {CLEAN: scores.of_videos(clean)}}
    for number, (name, strength) in enumerate(steps):
        on_progress(number + 1, len(steps) + 1)
        videos = models.judge(run_dir, clips, (_OPS[name](strength),)).videos()
        point = {**scores.of_videos(videos), "against_clean": scores.difference(clean, videos)}
        found.setdefault(titles[name], {})[f"{strength:g}"] = point
    return found
