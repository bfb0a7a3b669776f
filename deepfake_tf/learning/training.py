"""Training: shards and settings in, the folder of a run out (see runs.py).

An epoch follows from the seed, the epoch's number and the state before it (see training_state.py), and the best epoch
from the history alone: that is what makes a run that was stopped and continued equal to one that was not.
"""

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework import config as tf_config

from deepfake_tf import runs
from deepfake_tf.batching import dataset
from deepfake_tf.batching.clip_table import ClipTable, list_clips
from deepfake_tf.batching.loading import Loading
from deepfake_tf.batching.sampling import Sampling
from deepfake_tf.batching.timing import Timing
from deepfake_tf.errors import DataError, TrainingError
from deepfake_tf.learning import accelerators, bad_batch, learning_curves, training_state
from deepfake_tf.learning.devices import find_devices
from deepfake_tf.learning.epochs import Epochs, OnProgress, Progress, Task
from deepfake_tf.learning.fused_norms import with_fused_norms
from deepfake_tf.learning.history import Epoch, best_epoch
from deepfake_tf.learning.settings import RUN_VERSION, TrainSettings
from deepfake_tf.learning.training_step import TrainingStep
from deepfake_tf.model import build_model, recompute_blocks
from deepfake_tf.records import read_index
from deepfake_tf.schema import LABEL_NAMES, REAL

__all__ = ["OnProgress", "Progress", "labelled_clips", "train"]


def train(  # noqa: PLR0913 (each by its name)
    data_dir: Path | str,
    run_dir: Path | str,
    settings: TrainSettings,
    *,
    train_clips: ClipTable | None = None,
    val_clips: ClipTable | None = None,
    loading: Loading | None = None,
    on_progress: OnProgress | None = None,
    num_devices: int = 0,
    save_every_sec: float = 600.0,
    tensorboard: bool = False,
    keep_state: bool = False,
) -> dict[str, Any]:
    """Trains a model on the split "train" and chooses its best epoch on "val".

    A finished run with the same settings and data is returned as it is; an unfinished one goes on where it stopped.

    Args:
        data_dir: a finished extraction.
        run_dir: where the run is written; made if it is not there. Several machines share it.
        settings: all that training is told.
        train_clips: to learn from, instead of the split "train".
        val_clips: to choose the best epoch on, instead of the split "val". With `train_clips` and without these nothing
            is validated, and the last epoch is kept.
        loading: how batches are made ready; what comes of the training does not depend on it.
        on_progress: called after each step and each epoch.
        num_devices: of this machine; 0 for all GPUs, or one CPU.
        save_every_sec: the longest time that a kill costs.
        tensorboard: write events into RUN/tensorboard.
        keep_state: leave state.npz, so that a longer training can begin from here.

    Returns:
        What run.json holds.

    Raises:
        ConfigError: the folder holds a run with other settings or other data, or there are not as many devices.
        DataError: a split lacks clips or one of the two classes.
        TrainingError: a loss or a gradient is not a finite number, or the memory is not enough.
    """
    run_dir = Path(run_dir)
    accelerators.grow_memory()
    # Before all else: workers of several machines must meet before TensorFlow has done anything.
    devices = find_devices(num_devices)
    folds = [one.example_ids for one in (train_clips, val_clips) if one is not None]
    fingerprint = _fingerprint(data_dir, folds)
    finished = runs.find_finished(run_dir, settings, fingerprint)
    if finished:
        return finished
    if train_clips is None:
        train_clips = labelled_clips(data_dir, "train", reals_are_enough=settings.blended_share == 1)
        val_clips = labelled_clips(data_dir, "val")
    if settings.num_frames:
        train_clips = train_clips.with_num_frames(settings.num_frames)
        val_clips = val_clips.with_num_frames(settings.num_frames) if val_clips else None
    run_dir.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    task = Task(
        train_clips=train_clips,
        val_clips=val_clips,
        run_dir=run_dir,
        settings=settings,
        sampling=_sampling(settings, train_clips),
        identity={"format_version": RUN_VERSION, "settings": settings.to_json(), "fingerprint": fingerprint},
        devices=devices,
        loading=dataclasses.replace(loading or Loading(), timing=Timing()),
        on_progress=on_progress,
        save_every_sec=save_every_sec,
        tensorboard=tensorboard,
    )
    history = _fit(task)
    return _finish(task, data_dir, history, duration_sec=time.monotonic() - begin, keep_state=keep_state)


def labelled_clips(data_dir: Path | str, split: str, *, reals_are_enough: bool = False) -> ClipTable:
    """Returns the clips of a split that have a label.

    Args:
        data_dir: a finished folder of shards.
        split: one of SPLITS.
        reals_are_enough: fakes need not be there, because they are made from the reals.

    Raises:
        DataError: one of the two classes has none.
    """
    clips = list_clips(data_dir, [split]).labelled()
    counts = clips.label_counts()
    if not all(counts.values()) and not (reals_are_enough and counts[LABEL_NAMES[REAL]]):
        found = " and ".join(f"{count} {name}" for name, count in counts.items())
        raise DataError(
            f"The split {split!r} of {data_dir} needs real and fake clips. Received: {found} clips. "
            "Add videos of the missing class to the manifest, or split it anew."
        )
    return clips


def _fingerprint(data_dir: Path | str, folds: list[tuple[str, ...]]) -> str:
    """Returns that of the data, and of which clips of it are trained on if they are not those of the splits."""
    whole = read_index(data_dir).fingerprint()
    if not folds:
        return whole
    return f"{whole}-{hashlib.sha256(repr(folds).encode()).hexdigest()[:16]}"


def _sampling(settings: TrainSettings, train_clips: ClipTable) -> Sampling:
    weights = dataset.balanced_weights(train_clips) if settings.balance == "weights" else (1.0, 1.0)
    return Sampling(
        recipe=settings.recipe,
        batch_size=settings.batch_size,
        seed=settings.seed,
        balance="none" if settings.balance == "weights" else settings.balance,
        blended_share=settings.blended_share,
        mixed_share=settings.mixed_share,
        dataset_weights=settings.dataset_weights,
        class_weights=weights,
    )


def _fit(task: Task) -> list[Epoch]:
    """Runs the epochs that are left; returns the history of all."""
    settings = task.settings
    with _deterministic(settings.deterministic), _plain_errors(), task.devices.strategy.scope():
        keras.utils.set_random_seed(settings.seed)
        built = settings.model(task.train_clips.spec)
        model = build_model(built, precision=settings.precision)
        network = recompute_blocks(model, built) if settings.recompute == "blocks" else with_fused_norms(model)
        step = TrainingStep(model, network, settings, updates=task.updates_per_epoch, devices=task.devices)
    with _deterministic(settings.deterministic), _plain_errors():
        return Epochs(task, model, step).run()


@contextlib.contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    """Every operation gives the same result each time, also on a GPU."""
    if not wanted:
        yield
        return
    tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        tf_config.disable_op_determinism()


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Says in words what TensorFlow says of a batch that does not fit.

    Raises:
        DataError: a clip could not be read.
        TrainingError: the memory is not enough.
    """
    try:
        with dataset.plain_errors():
            yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else "out of memory"
        raise TrainingError(
            f"The memory is not enough for a step of this size ({first[:200]}). Make --batch-size smaller, and "
            "--accumulate larger for the same gradients; or keep less of a step: --recompute blocks, "
            "--precision mixed_bfloat16; or train with fewer or smaller frames, or a smaller --backbone."
        ) from error


def _finish(
    task: Task, data_dir: Path | str, history: list[Epoch], *, duration_sec: float, keep_state: bool
) -> dict[str, Any]:
    """Writes what is left to write; run.json last."""
    settings, run_dir = task.settings, task.run_dir
    best = best_epoch(history, settings.monitor)
    reading = learning_curves.read(history, settings)
    tables = {"train": task.train_clips} | ({"val": task.val_clips} if task.val_clips else {})
    data = runs.describe_data(data_dir, tables) | {"fingerprint": str(task.identity["fingerprint"])}
    result = {
        "num_epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "monitor": settings.monitor,
        "metrics": {name: value for name, value in best.items() if name != "epoch"},
        "reading": reading,
        "devices": task.devices.describe(),
        "duration_sec": round(duration_sec, 3),
    }
    if not task.devices.writes:
        return runs.describe_run(settings, data=data, result=result)
    learning_curves.write(run_dir, history, settings, reading)
    if task.loading.timing:
        task.loading.timing.write(run_dir / runs.TIMING_FILE)
    run = runs.write_run(run_dir, settings, data=data, result=result)
    bad_batch.forget(run_dir)
    if not keep_state:
        (run_dir / training_state.STATE_FILE).unlink(missing_ok=True)
    return run
