"""Training: shards and settings in, the folder of a run out (see runs.py).

An epoch follows from the seed, the epoch's number and the state before it (see training_state.py), and the best epoch
from the history alone: that is what makes a run that was stopped and continued equal to one that was not.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from deepfake_tf import dataset, losses, metrics, optimizers, runs, scoring, training_state
from deepfake_tf.clip_table import ClipTable, list_clips
from deepfake_tf.errors import DataError, TrainingError
from deepfake_tf.history import Epoch, best_epoch, should_stop, write_history
from deepfake_tf.loading import Loading
from deepfake_tf.model import build_model, recompute_blocks
from deepfake_tf.records import read_index
from deepfake_tf.sampling import Sampling
from deepfake_tf.schema import LABEL_NAMES, REAL
from deepfake_tf.settings import TrainSettings
from deepfake_tf.timing import Timing


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        epoch: the epoch being trained, from 1.
        num_epochs: how many there are at most.
        step: batches done of this epoch.
        num_steps: batches of an epoch.
        metrics: the running loss, and what the last epochs gave.
    """

    epoch: int
    num_epochs: int
    step: int
    num_steps: int
    metrics: Mapping[str, float]


OnProgress = Callable[[Progress], None]


def train(
    data_dir: Path | str,
    run_dir: Path | str,
    settings: TrainSettings,
    *,
    on_progress: OnProgress | None = None,
    keep_state: bool = False,
    loading: Loading | None = None,
) -> dict[str, Any]:
    """Trains a model on the split "train" and chooses its best epoch on "val".

    A finished run with the same settings and data is returned as it is; an unfinished one goes on where it stopped.

    Args:
        data_dir: a finished extraction.
        run_dir: where the run is written; made if it is not there.
        settings: all that training is told.
        on_progress: called after each step and each epoch.
        keep_state: leave state.npz, so that a longer training can begin from here.
        loading: how batches are made ready; what comes of the training does not depend on it.

    Returns:
        What run.json holds.

    Raises:
        ConfigError: the folder holds a run with other settings or other data.
        DataError: a split lacks clips or one of the two classes.
        TrainingError: the loss is not a finite number.
    """
    run_dir = Path(run_dir)
    fingerprint = read_index(data_dir).fingerprint()
    finished = runs.find_finished(run_dir, settings, fingerprint)
    if finished:
        return finished
    clips = {
        "train": labelled_clips(data_dir, "train", reals_are_enough=settings.blended_share == 1),
        "val": labelled_clips(data_dir, "val"),
    }
    if settings.num_frames:
        clips = {split: table.with_num_frames(settings.num_frames) for split, table in clips.items()}
    run_dir.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    identity = {"settings": settings.to_json(), "fingerprint": fingerprint}
    timing = Timing()
    loading = dataclasses.replace(loading or Loading(), timing=timing)
    history = _fit(clips, run_dir, identity, settings=settings, loading=loading, on_progress=on_progress)
    write_history(run_dir, history)
    timing.write(run_dir / runs.TIMING_FILE)
    run = runs.write_run(
        run_dir,
        settings,
        data=runs.describe_data(data_dir, clips),
        result={**_result(history, settings), "duration_sec": round(time.monotonic() - begin, 3)},
    )
    if not keep_state:
        (run_dir / training_state.STATE_FILE).unlink(missing_ok=True)
    return run


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


# The epochs ----------------------------------------------------------------------------------------------------------


def _fit(
    clips: Mapping[str, ClipTable],
    run_dir: Path,
    identity: Mapping[str, Any],
    *,
    settings: TrainSettings,
    loading: Loading,
    on_progress: OnProgress | None,
) -> list[Epoch]:
    """Runs the epochs that are left; returns the history of all."""
    train_clips = clips["train"]
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings.model(train_clips.spec), precision=settings.precision)
    built = settings.model(train_clips.spec)
    trainer = _trainer(recompute_blocks(model, built) if settings.recompute == "blocks" else model, settings)
    history = training_state.read_state(run_dir, trainer, identity)
    if should_stop(history, settings):
        return history
    steps = train_clips.num_batches(settings.batch_size)
    batches = dataset.for_training(
        train_clips, _sampling(settings, train_clips), first_batch=len(history) * steps, loading=loading
    )
    epoch_end = _EpochEnd(model, clips["val"], run_dir, identity, settings=settings, history=history)
    callbacks = [epoch_end, *([_ReportProgress(on_progress, settings.epochs, steps, history)] if on_progress else [])]
    with dataset.plain_errors():
        trainer.fit(
            batches,
            steps_per_epoch=steps,
            epochs=settings.epochs,
            initial_epoch=len(history),
            callbacks=callbacks,
            shuffle=False,  # it is, by the data set itself
            verbose=0,
        )
    return history


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


def _trainer(model: keras.Model, settings: TrainSettings) -> keras.Model:
    """Returns a compiled model that shares the weights of `model`, which so stays free of what only training needs."""
    # One column: Keras' losses take the mean over the last axis, and on [B] that would be the batch itself.
    column = keras.ops.expand_dims(model.output, -1)
    trainer = keras.Model(model.input, column, name="trainer")
    trainer.compile(
        optimizer=optimizers.build_optimizer(settings),
        loss=losses.build_loss(settings),
        jit_compile={"auto": "auto", "on": True, "off": False}[settings.xla],
    )
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


class _EpochEnd(keras.callbacks.Callback):
    """After each epoch: validate, keep the best model, save the state, stop when it no longer gets better."""

    def __init__(
        self,
        served: keras.Model,
        val_clips: ClipTable,
        run_dir: Path,
        identity: Mapping[str, Any],
        *,
        settings: TrainSettings,
        history: list[Epoch],
    ) -> None:
        super().__init__()
        self._served = served
        self._val_clips = val_clips
        self._run_dir = run_dir
        self._identity = identity
        self._settings = settings
        self._history = history

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Stops at a loss that is not a number.

        Raises:
            TrainingError: it is not.
        """
        loss = (logs or {}).get("loss", math.nan)
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} at step {batch + 1} of epoch {len(self._history) + 1}. "
                "Lower the learning rate, or look at the clips."
            )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Does what the class says."""
        row = {"epoch": epoch + 1, "loss": float((logs or {})["loss"])}
        self._history.append(row | validate(self._served, self._val_clips, self._settings.batch_size))
        if best_epoch(self._history, self._settings.monitor) is self._history[-1]:
            runs.write_model(self._run_dir, self._served)
        training_state.write_state(self._run_dir, self.model, self._identity, self._history)
        self.model.stop_training = should_stop(self._history, self._settings)


class _ReportProgress(keras.callbacks.Callback):
    def __init__(self, on_progress: OnProgress, num_epochs: int, num_steps: int, history: list[Epoch]) -> None:
        super().__init__()
        self._on_progress = on_progress
        self._num_epochs = num_epochs
        self._num_steps = num_steps
        self._history = history
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._epoch = epoch + 1
        self._report(0, {})

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._report(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._report(self._num_steps, {})

    def _report(self, step: int, logs: Mapping[str, float]) -> None:
        last = self._history[-1] if self._history else {}
        self._on_progress(Progress(self._epoch, self._num_epochs, step, self._num_steps, {**last, **logs}))


def validate(model: keras.Model, clips: ClipTable, batch_size: int) -> dict[str, float]:
    """Returns log loss and ROC AUC over clips and over videos, named as in MONITORS.

    Args:
        model: gives logit [B].
        clips: labelled clips of both classes.
        batch_size: clips at a time.
    """
    logits = scoring.predict_logits(model, clips, batch_size=batch_size)
    videos = scoring.join_videos(clips, logits)
    by_clip = metrics.compute_all(clips.labels, scoring.clip_scores(logits))
    by_video = metrics.compute_all(videos.labels, videos.scores)
    return {
        "val_loss": by_clip["log_loss"],
        "val_auc": by_clip["roc_auc"],
        "val_video_loss": by_video["log_loss"],
        "val_video_auc": by_video["roc_auc"],
    }


def _result(history: list[Epoch], settings: TrainSettings) -> dict[str, Any]:
    best = best_epoch(history, settings.monitor)
    return {
        "num_epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "monitor": settings.monitor,
        "metrics": {name: value for name, value in best.items() if name != "epoch"},
    }
