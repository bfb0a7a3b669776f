"""Training: shards and settings in, a run folder out.

    RUN/model.keras    the weights of the best epoch
    RUN/history.csv    one row an epoch
    RUN/run.json       {format_version, settings, environment, data, result}, written last: it marks the run finished
    RUN/state.npz      while training: everything needed to go on after a kill with the weights that would have come

An epoch follows from the seed, the epoch's number and the state before it, and the best epoch from the history alone:
that is what makes a run that was stopped and continued equal to one that was not.
"""

import csv
import io
import json
import math
import os
import platform
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np

import deepfake_tf
from deepfake_tf import atomic, dataset, metrics, scoring
from deepfake_tf.clip_table import ClipTable, list_clips
from deepfake_tf.errors import ConfigError, DataError, TrainingError
from deepfake_tf.model import build_model, recompute_blocks
from deepfake_tf.records import read_index
from deepfake_tf.sampling import Sampling
from deepfake_tf.schema import LABEL_NAMES, REAL, ClipSpec
from deepfake_tf.settings import MONITORS, RUN_VERSION, TrainSettings, read_run

RUN_FILE = "run.json"
MODEL_FILE = "model.keras"
HISTORY_FILE = "history.csv"
STATE_FILE = "state.npz"

Epoch = dict[str, float]
"""One row of the history: "epoch" (from 1) and its metrics by name."""


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
) -> dict[str, Any]:
    """Trains a model on the split "train" and chooses its best epoch on "val".

    A finished run with the same settings and data is returned as it is; an unfinished one goes on where it stopped.

    Args:
        data_dir: a finished extraction.
        run_dir: where the run is written; made if it is not there.
        settings: all that training is told.
        on_progress: called after each step and each epoch.
        keep_state: leave state.npz, so that a longer training can begin from here.

    Returns:
        What run.json holds.

    Raises:
        ConfigError: the folder holds a run with other settings or other data.
        DataError: a split lacks clips or one of the two classes.
        TrainingError: the loss is not a finite number.
    """
    run_dir = Path(run_dir)
    identity = {"settings": settings.to_json(), "fingerprint": read_index(data_dir).fingerprint()}
    finished = _find_finished(run_dir, identity)
    if finished:
        return finished
    train_clips = labelled_clips(data_dir, "train", reals_are_enough=settings.blended_share == 1)
    val_clips = labelled_clips(data_dir, "val")
    run_dir.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    history = _fit(train_clips, val_clips, run_dir, identity, settings=settings, on_progress=on_progress)
    run = {
        "format_version": RUN_VERSION,
        "settings": settings.to_json(),
        "environment": describe_environment(),
        "data": describe_data(data_dir, {"train": train_clips, "val": val_clips}),
        "result": {**_result(history, settings), "duration_sec": round(time.monotonic() - begin, 3)},
    }
    _write_history(run_dir / HISTORY_FILE, history)
    atomic.write_whole(run_dir / RUN_FILE, (json.dumps(run, indent=2) + "\n").encode())
    if not keep_state:
        (run_dir / STATE_FILE).unlink(missing_ok=True)
    return run


def load_run(run_dir: Path | str) -> tuple[keras.Model, dict[str, Any]]:
    """Loads a finished run.

    The model is built anew from its settings, and the weights of the best epoch put into it.

    Args:
        run_dir: a folder that `train` made.

    Returns:
        The model ({"clips", "mask"} -> logit [B]) and what run.json holds.

    Raises:
        ConfigError: there is no finished run, or one of another version.
        DataError: its model.keras is missing, or does not fit the settings.
    """
    run = read_run(run_dir)
    settings = TrainSettings.from_json(run["settings"])
    model_path = (Path(run_dir) if Path(run_dir).is_dir() else Path(run_dir).parent) / MODEL_FILE
    if not model_path.is_file():
        raise DataError(f"There is no {model_path}. Expected the weights of the run; train again into a new folder.")
    model = build_model(settings.model(ClipSpec.from_json(run["data"]["clip_spec"])), initial_weights=False)
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers that it found no weights for.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(model_path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        raise DataError(f"{model_path} does not hold the weights that run.json describes ({error}).") from error
    return model, run


# Before training -----------------------------------------------------------------------------------------------------


def _find_finished(run_dir: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    if not (run_dir / RUN_FILE).is_file():
        return None
    run = read_run(run_dir)
    if run["settings"] != identity["settings"] or run["data"]["fingerprint"] != identity["fingerprint"]:
        raise ConfigError(
            f"{run_dir} holds a finished run with other settings or other data. Choose another --out, or delete it."
        )
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
    train_clips: ClipTable,
    val_clips: ClipTable,
    run_dir: Path,
    identity: Mapping[str, Any],
    *,
    settings: TrainSettings,
    on_progress: OnProgress | None,
) -> list[Epoch]:
    """Runs the epochs that are left; returns the history of all."""
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings.model(train_clips.spec), precision=settings.precision)
    built = settings.model(train_clips.spec)
    trainer = _trainer(recompute_blocks(model, built) if settings.recompute == "blocks" else model, settings)
    history = _read_state(run_dir / STATE_FILE, trainer, identity)
    if _should_stop(history, settings):
        return history
    steps = train_clips.num_batches(settings.batch_size)
    batches = dataset.for_training(train_clips, _sampling(settings, train_clips), first_batch=len(history) * steps)
    epoch_end = _EpochEnd(model, val_clips, run_dir, identity, settings=settings, history=history)
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
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    if settings.precision == "mixed_float16":
        # Its smallest numbers are too large for many gradients.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    trainer.compile(
        optimizer=optimizer,
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
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
            _write_model(self._run_dir / MODEL_FILE, self._served)
        _write_state(self._run_dir / STATE_FILE, self.model, self._identity, self._history)
        self.model.stop_training = _should_stop(self._history, self._settings)


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


def best_epoch(history: list[Epoch], monitor: str) -> Epoch:
    """Returns the row with the best value of the monitor; the earliest of equal ones."""
    sign = 1 if MONITORS[monitor] == "min" else -1
    return min(history, key=lambda row: sign * row[monitor])


def _should_stop(history: list[Epoch], settings: TrainSettings) -> bool:
    if len(history) >= settings.epochs:
        return True
    if not history or not settings.patience:
        return False
    return len(history) - best_epoch(history, settings.monitor)["epoch"] >= settings.patience


# The state of an unfinished run --------------------------------------------------------------------------------------


def _state_variables(trainer: keras.Model) -> list[keras.Variable]:
    # All of them by order, because Keras' own weight files leave out the states of the dropout layers' generators.
    return [*trainer.variables, *trainer.optimizer.variables]


def _write_state(path: Path, trainer: keras.Model, identity: Mapping[str, Any], history: list[Epoch]) -> None:
    arrays = {f"variable_{number}": np.asarray(one) for number, one in enumerate(_state_variables(trainer))}
    text = json.dumps({"identity": identity, "history": history})
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, text=np.array(text), **arrays)
    atomic.write_whole(path, buffer.getvalue())


def _read_state(path: Path, trainer: keras.Model, identity: Mapping[str, Any]) -> list[Epoch]:
    """Puts the state, if there is one, into the trainer; returns the history so far."""
    if not path.is_file():
        return []
    with np.load(path) as arrays:
        state = json.loads(str(arrays["text"]))
        if _without_epochs(state["identity"]) != _without_epochs(identity):
            raise ConfigError(
                f"{path.parent} holds an unfinished run with other settings or other data. "
                "Choose another --out, or delete it."
            )
        for number, variable in enumerate(_state_variables(trainer)):
            variable.assign(arrays[f"variable_{number}"])
    return state["history"]


def _without_epochs(identity: Mapping[str, Any]) -> dict[str, Any]:
    # A run may go on for longer than was first said: nothing that was done depends on it.
    return {**identity, "settings": {**identity["settings"], "epochs": None}}


# What is written -----------------------------------------------------------------------------------------------------


def _write_model(path: Path, model: keras.Model) -> None:
    # Keras wants a path that ends as its format does.
    partial = path.with_name(f".partial-{path.name}")
    model.save(partial)
    os.replace(partial, path)


def _write_history(path: Path, history: list[Epoch]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(history[0]))
    writer.writeheader()
    writer.writerows(history)
    atomic.write_whole(path, text.getvalue().encode())


def _result(history: list[Epoch], settings: TrainSettings) -> dict[str, Any]:
    best = best_epoch(history, settings.monitor)
    return {
        "num_epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "monitor": settings.monitor,
        "metrics": {name: value for name, value in best.items() if name != "epoch"},
    }


def describe_data(data_dir: Path | str, tables: Mapping[str, ClipTable]) -> dict[str, Any]:
    """Returns what run.json says of the data: where they lie, how they were made, what each split holds."""
    spec = tables["train"].spec
    return {
        "path": str(data_dir),
        "fingerprint": read_index(data_dir).fingerprint(),
        "clip_spec": spec.to_json(),
        "splits": {
            split: {
                "num_videos": len(set(clips.video_ids)),
                "num_groups": len(set(clips.groups)),
                "num_clips": clips.label_counts(),
            }
            for split, clips in tables.items()
        },
    }


def describe_environment() -> dict[str, Any]:
    """Returns the versions of what a run depends on."""
    packages = ("tensorflow", "keras", "numpy", "opencv-python", "albumentations", "scikit-learn")
    return {
        "deepfake_tf": deepfake_tf.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: metadata.version(name) for name in packages},
    }
