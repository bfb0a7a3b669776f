"""What a trained model says of labelled clips, joined to videos as a verdict is.

Training chooses its best epoch by this, and evaluation reports it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf.batching import dataset
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.errors import TrainingError
from deepfake_tf.judging import verdict
from deepfake_tf.schema import INPUT_CLIPS, Calibration


@dataclass(frozen=True)
class VideoScores:
    """One row a video, in the order in which the videos first occur among the clips.

    Attributes:
        video_ids: V names.
        labels: int64 [V], 0 real, 1 fake, -1 none.
        groups: V names.
        logits: float64 [V], joined, not calibrated.
        scores: float64 [V] in [0, 1], calibrated.
        num_clips: int64 [V].
        track_logits: of each video, each track's logit by its number, joined, not calibrated.
    """

    video_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    logits: NDArray[np.float64]
    scores: NDArray[np.float64]
    num_clips: NDArray[np.int64]
    track_logits: tuple[dict[int, float], ...]


def predict_logits(
    model: keras.Model,
    clips: ClipTable,
    *,
    batch_size: int = 16,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Runs the model on every clip, in batches.

    Args:
        model: takes {"clips", "mask"}, gives logit [B].
        clips: N clips, one or more.
        batch_size: clips at a time.
        on_progress: called with the number of batches done and of all.

    Returns:
        float64 [N], in the order of the table.

    Raises:
        TrainingError: a logit is not a finite number.
    """
    if num_frames := model.input[INPUT_CLIPS].shape[1]:
        # A model of fewer frames than are stored judges the middle ones.
        clips = clips.with_num_frames(num_frames)
    total = clips.num_batches(batch_size)
    report = on_progress or (lambda done, of: None)
    callback = keras.callbacks.LambdaCallback(on_predict_batch_end=lambda step, logs: report(step + 1, total))
    with dataset.plain_errors():
        batches = dataset.for_evaluation(clips, batch_size=batch_size)
        logits = model.predict(batches, verbose=0, callbacks=[callback]).astype(np.float64)
    if not np.all(np.isfinite(logits)):
        raise TrainingError(
            f"The model gave {np.sum(~np.isfinite(logits))} of {len(logits)} logits that are no finite numbers. "
            "Train again with a lower learning rate."
        )
    return logits


def clip_scores(
    logits: NDArray[np.float64],
    calibration: Calibration = Calibration(),  # noqa: B008 (frozen)
) -> NDArray[np.float64]:
    """Returns P(fake) in [0, 1] of each clip by itself; float64 [N]."""
    return np.array([verdict.score(float(logit), calibration) for logit in logits])


def join_videos(
    clips: ClipTable,
    logits: NDArray[np.float64],
    *,
    joining: str = "mean",
    calibration: Calibration = Calibration(),  # noqa: B008 (frozen)
) -> VideoScores:
    """Joins the clips of each video as a verdict does.

    Args:
        clips: N clips.
        logits: float64 [N], as `predict_logits` gives them.
        joining: name of the rule, one of schema.JOINING_RULES.
        calibration: from joined logit to score.
    """
    rows = rows_by_video(clips)
    first = [own[0] for own in rows.values()]
    joined = [verdict.join(logits[own], clips.track_ids[own].tolist(), joining) for own in rows.values()]
    video_logits = np.array([logit for logit, _ in joined])
    return VideoScores(
        video_ids=tuple(rows),
        labels=clips.labels[first],
        groups=tuple(clips.groups[row] for row in first),
        logits=video_logits,
        scores=np.array([verdict.score(float(logit), calibration) for logit in video_logits]),
        num_clips=np.array([len(own) for own in rows.values()]),
        track_logits=tuple(tracks for _, tracks in joined),
    )


def rows_by_video(clips: ClipTable) -> dict[str, list[int]]:
    """Returns the numbers of each video's clips by its id, in the order of the table."""
    rows: dict[str, list[int]] = {}
    for row, video_id in enumerate(clips.video_ids):
        rows.setdefault(video_id, []).append(row)
    return rows
