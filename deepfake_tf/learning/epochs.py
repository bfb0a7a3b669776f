"""The epochs of a training: steps, validation, the best weights, and a state to go on from."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import runs
from deepfake_tf.batching import dataset
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.batching.loading import Loading
from deepfake_tf.batching.sampling import Sampling
from deepfake_tf.learning import bad_batch, training_state, validation
from deepfake_tf.learning.devices import Devices
from deepfake_tf.learning.history import Epoch, best_epoch, should_stop, write_history
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.learning.tensorboard import EventFile
from deepfake_tf.learning.training_step import TrainingStep


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        epoch: the epoch being trained, from 1.
        num_epochs: how many there are at most.
        step: batches done of this epoch.
        num_steps: batches of an epoch.
        metrics: the mean loss of this epoch so far, and what the last epoch gave.
        best: the best epoch so far, nothing before the first is done.
        clips_per_sec: of this epoch, in this process.
    """

    epoch: int
    num_epochs: int
    step: int
    num_steps: int
    metrics: Mapping[str, float]
    best: Epoch | None = None
    clips_per_sec: float = 0.0


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Task:
    """What the epochs of a run share.

    Attributes:
        train_clips: learned from.
        val_clips: the best epoch is chosen on them; without them the last is kept.
        run_dir: the run's folder.
        settings: of the training.
        sampling: how clips are drawn.
        identity: what the run is told, as the state keeps it.
        devices: where it runs.
        loading: how batches are made ready, apart from what part of them is this machine's.
        on_progress: called after each step and each epoch.
        save_every_sec: the longest time that a kill costs, within an epoch. Several machines save after epochs only.
        tensorboard: whether to write events.
    """

    train_clips: ClipTable
    val_clips: ClipTable | None
    run_dir: Path
    settings: TrainSettings
    sampling: Sampling
    identity: Mapping[str, Any]
    devices: Devices
    loading: Loading
    on_progress: OnProgress | None = None
    save_every_sec: float = 600.0
    tensorboard: bool = False

    @property
    def num_steps(self) -> int:
        """Batches of an epoch."""
        return self.train_clips.num_batches(self.settings.batch_size)

    @property
    def updates_per_epoch(self) -> int:
        """Changes of the weights in an epoch; its last is for the batches that are left."""
        return -(-self.num_steps // self.settings.accumulate)


class Epochs:
    """Runs the epochs that are left of a training."""

    def __init__(self, task: Task, model: keras.Model, step: TrainingStep) -> None:
        """Begins where the state in the folder says.

        Args:
            task: what is trained on, and how.
            model: is validated and kept.
            step: changes its weights.
        """
        self._task = task
        self._model = model
        self._step = step
        self._standing = training_state.read_state(task.run_dir, step.variables, task.identity)
        self._saved_sec = time.monotonic()
        self._rate = step.learning_rate()
        # Added up as it grows: a mean over all steps at each step would cost more than the steps.
        self._loss_sum = sum(self._standing.losses)

    def run(self) -> list[Epoch]:
        """Returns the history of all epochs."""
        task, history = self._task, self._standing.history
        if should_stop(history, task.settings):
            return history
        batches = iter(
            dataset.for_training(
                task.train_clips,
                task.sampling,
                first_batch=len(history) * task.num_steps + self._standing.step,
                loading=dataclasses.replace(
                    task.loading, worker=task.devices.worker, num_workers=task.devices.num_workers
                ),
            )
        )
        with self._events() as events:
            while not should_stop(history, task.settings):
                self._run_epoch(batches, events)
                self._end_epoch(events)
        return history

    # Within an epoch -------------------------------------------------------------------------------------------------

    def _run_epoch(self, batches: Iterator[tuple], events: EventFile | None) -> None:
        task, at = self._task, self._standing
        epoch, begin_sec, first_step = len(at.history), time.monotonic(), at.step
        self._report(epoch, at.step)
        while at.step < task.num_steps:
            self._take(next(batches), epoch)
            if at.step % task.settings.accumulate == 0 or at.step == task.num_steps:
                self._update(epoch, events)
            done = (at.step - first_step) * task.settings.batch_size
            self._report(epoch, at.step, done / max(time.monotonic() - begin_sec, 1e-9))

    def _take(self, batch: tuple, epoch: int) -> None:
        at = self._standing
        found = self._step.gather(batch, epoch)
        at.step += 1
        if not math.isfinite(found.loss) or not found.is_finite:
            # Of float16 it may only be the factor of the loss that was too large.
            if not (math.isfinite(found.loss) and self._step.scale.shrink()):
                where = {"epoch": epoch + 1, "step": at.step, "loss": found.loss, "learning_rate": self._rate}
                place = (self._task.devices.worker, self._task.devices.num_workers)
                raise bad_batch.refuse(
                    self._task.run_dir, self._task.train_clips, self._task.sampling, where, found.logits, place
                )
            self._step.forget()
        at.losses.append(found.loss)
        self._loss_sum += found.loss
        at.labels.append(np.asarray(batch[1], np.float64))
        at.logits.append(found.logits)

    def _update(self, epoch: int, events: EventFile | None) -> None:
        at, task = self._standing, self._task
        if not self._step.has_gathered:
            return
        self._rate = self._step.learning_rate()
        norm = self._step.update(epoch)
        if events:
            values = {"loss": at.losses[-1], "gradient_norm": norm, "learning_rate": self._rate}
            number = epoch * task.num_steps + at.step
            events.write({f"step/{name}": value for name, value in values.items()}, number)
        is_due = time.monotonic() - self._saved_sec >= task.save_every_sec
        if is_due and task.devices.num_workers == 1 and at.step < task.num_steps:
            self._save()

    # After it --------------------------------------------------------------------------------------------------------

    def _end_epoch(self, events: EventFile | None) -> None:
        task, at = self._task, self._standing
        labels, logits = (task.devices.gather(np.concatenate(values)) for values in (at.labels, at.logits))
        row = {"epoch": len(at.history) + 1, "learning_rate": self._rate, "loss": float(np.mean(at.losses))}
        row |= validation.measure_training(labels, logits)
        with self._averaged():
            if task.val_clips:
                row |= validation.measure(task.val_clips, self._predict(task.val_clips))
            at.history.append(row)
            if best_epoch(at.history, task.settings.monitor) is row and task.devices.writes:
                runs.write_model(task.run_dir, self._model)
        at.begin_epoch()
        self._loss_sum = 0.0
        if task.devices.writes:
            write_history(task.run_dir, at.history)
            self._save()
        if events:
            events.write({f"epoch/{name}": value for name, value in row.items() if name != "epoch"}, len(at.history))
            events.flush()
        self._report(len(at.history) - 1, task.num_steps)

    def _predict(self, clips: ClipTable) -> NDArray[np.float64]:
        """Returns the logits [N] of clips, from all devices."""
        devices = self._task.devices
        # Each machine has its part, all of one size.
        size = -(-len(clips) // devices.num_workers)
        rows = np.resize(np.arange(len(clips)), devices.num_workers * size).reshape(-1, size)[devices.worker]
        batches = dataset.for_evaluation(clips.select(rows), batch_size=self._task.settings.batch_size)
        own = np.concatenate([self._step.predict(batch) for batch in batches])
        return devices.gather(own)[: len(clips)]

    def _save(self) -> None:
        task = self._task
        training_state.write_state(task.run_dir, self._step.variables, task.identity, self._standing)
        self._saved_sec = time.monotonic()

    def _averaged(self) -> contextlib.AbstractContextManager:
        return self._step.average.in_place() if self._step.average else contextlib.nullcontext()

    def _events(self) -> contextlib.AbstractContextManager:
        wanted = self._task.tensorboard and self._task.devices.writes
        return EventFile(self._task.run_dir) if wanted else contextlib.nullcontext()

    def _report(self, epoch: int, step: int, clips_per_sec: float = 0.0) -> None:
        task, history, losses = self._task, self._standing.history, self._standing.losses
        if not task.on_progress:
            return
        running = {"loss": self._loss_sum / len(losses)} if losses else {}
        task.on_progress(
            Progress(
                epoch=epoch + 1,
                num_epochs=task.settings.epochs,
                step=step,
                num_steps=task.num_steps,
                metrics={**(history[-1] if history else {}), **running},
                best=best_epoch(history, task.settings.monitor) if history else None,
                clips_per_sec=clips_per_sec,
            )
        )
