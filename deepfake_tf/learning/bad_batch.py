"""A batch whose loss or gradients are no finite numbers: which clips it held, for whoever looks at them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.batching.sampling import Sampler, Sampling, worker_part
from deepfake_tf.errors import TrainingError

_FILE = "bad_batch.json"
_NUM_NAMED = 4


def refuse(
    run_dir: Path, clips: ClipTable, sampling: Sampling, at: dict[str, float], logits: NDArray[np.float64], place: tuple
) -> TrainingError:
    """Writes bad_batch.json, of several machines each its own part; returns the error that stops the run.

    Args:
        run_dir: the run's folder.
        clips: those that are trained on.
        sampling: how they are drawn.
        at: "epoch" and "step", both from 1, "loss" and "learning_rate".
        logits: [B] of this machine's part of the batch.
        place: this machine, from 0, and how many there are.
    """
    worker, num_workers = place
    size = sampling.batch_size // num_workers
    begin = (int(at["step"]) - 1) * size
    draws = worker_part(Sampler(clips, sampling).epoch(int(at["epoch"]) - 1), sampling.batch_size, worker, num_workers)
    draws = draws.select(slice(begin, begin + size))
    rows = [int(row) for row in draws.rows]
    examples = [
        {
            "example_id": clips.example_ids[row],
            "video_id": clips.video_ids[row],
            "shard": clips.shard_path(row).name,
            "label": float(label),
            "logit": _plain(float(logit)),
        }
        for row, label, logit in zip(rows, draws.labels, logits, strict=True)
    ]
    found = {name: _plain(value) for name, value in at.items()} | {"examples": examples}
    path = run_dir / (_FILE if num_workers == 1 else f"worker-{worker}-{_FILE}")
    atomic.write_whole(path, (json.dumps(found, indent=2) + "\n").encode())
    # One clip whose logit is no number spoils the loss of all: it is named first.
    names = [one["example_id"] for one in sorted(examples, key=lambda one: not isinstance(one["logit"], str))]
    more = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
    what = "gradients are not finite" if math.isfinite(at["loss"]) else f"loss is {at['loss']}"
    return TrainingError(
        f"The {what} at step {at['step']:.0f} of epoch {at['epoch']:.0f}, with the clips "
        f"{', '.join(names[:_NUM_NAMED])}{more}; {path} lists them. "
        "Lower --learning-rate, set --clip-norm 1, or look at the clips with pipelines.inspect."
    )


def forget(run_dir: Path) -> None:
    """Removes what was written of a batch that is bad no more."""
    for path in run_dir.glob(f"*{_FILE}"):
        path.unlink()


def _plain(value: float) -> Any:
    # JSON has no word for what is not finite.
    return value if math.isfinite(value) else str(value)
