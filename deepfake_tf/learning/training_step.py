"""One step of a training: gradients of a batch, gathered over batches and devices, then one change of the weights.

Own code where Keras' `fit` (3.15) falls short: its optimizers clip each device's gradients before these are summed,
gather gradients on one device only, and average weights at every batch that is gathered; batch normalisation keeps
other statistics on each device; and none of it runs on several machines (keras-team/keras, issue 20585). Loss,
optimizers and rates are Keras'.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepfake_tf.learning import losses, optimizers
from deepfake_tf.learning.devices import Devices
from deepfake_tf.learning.freezing import with_still_backbone
from deepfake_tf.learning.loss_scale import LossScale
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.learning.weight_average import WeightAverage


@dataclass(frozen=True)
class Outcome:
    """What came of a batch.

    Attributes:
        loss: its mean over the batch, weighed by clip, over all devices.
        is_finite: whether all its gradients are.
        logits: float64 [B] of this machine's part, as the network that trains gave them.
    """

    loss: float
    is_finite: bool
    logits: NDArray[np.float64]


class TrainingStep:
    """The step, and all of its state. Made within the strategy's scope, as its model was."""

    def __init__(
        self, model: keras.Model, network: keras.Model, settings: TrainSettings, *, updates: int, devices: Devices
    ) -> None:
        """Prepares the step.

        Args:
            model: what `build_model` returned.
            network: it, or one that shares its weights and needs less memory.
            settings: of the training.
            updates: changes of the weights in an epoch.
            devices: where it runs.
        """
        self._model = model
        self._devices = devices
        self._clip_norm = settings.clip_norm
        self._loss = losses.build_loss(settings)
        self._parts = optimizers.build_parts(model, settings, updates)
        self._freeze_epochs = settings.freeze_epochs
        self._networks = {False: network, True: with_still_backbone(model) if settings.freeze_epochs else network}
        self.scale = LossScale(active=settings.precision == "mixed_float16")
        self.average = WeightAverage(model.trainable_variables, settings.ema) if settings.ema else None
        self._sums = {one: [_gradient_sum(weight) for weight in part.variables] for one, part in enumerate(self._parts)}
        self._num_gathered = 0
        self._functions: dict[tuple[str, bool], Any] = {}
        self._jit = _compile_with_xla(settings, devices, model)

    @property
    def variables(self) -> list[keras.Variable]:
        """All state between two updates, in an order that follows from the settings."""
        state = [*self._model.variables, *self.scale.variables]
        for part in self._parts:
            state += part.optimizer.variables
        return state + (self.average.variables if self.average else [])

    @property
    def has_gathered(self) -> bool:
        """Whether there is anything to change the weights by."""
        return self._num_gathered > 0

    def learning_rate(self) -> float:
        """Returns the rate of the next update; that of the rest, if the backbone has its own."""
        return float(self._parts[0].optimizer.learning_rate)

    def gather(self, batch: tuple, epoch: int) -> Outcome:
        """Adds a batch's gradients to those of earlier ones.

        Args:
            batch: this machine's part of it: inputs, labels [B], weights [B].
            epoch: from 0: the backbone may have to keep still.
        """
        inputs, labels, weights = _fill_up(batch, self._devices.num_local)
        # A mean over the clips of all machines; what was filled up weighs nothing.
        share = tf.constant(1.0 / (int(batch[1].shape[0]) * self._devices.num_workers), tf.float32)
        still = epoch < self._freeze_epochs
        found, logits = self._call("gather", still, self._devices.share_out((inputs, labels, weights)), share)
        loss, num_bad = np.asarray(found)
        self._num_gathered += 1
        return Outcome(float(loss), bool(num_bad == 0), self._join(logits)[: int(batch[1].shape[0])])

    def forget(self) -> None:
        """Drops what was gathered."""
        for gathered in self._sums.values():
            for one in gathered:
                one.assign(tf.zeros_like(one))
        self._num_gathered = 0

    def update(self, epoch: int) -> float:
        """Changes the weights by what was gathered.

        Args:
            epoch: from 0.

        Returns:
            The norm of all gradients, before they are clipped.
        """
        share = tf.constant(1.0 / (self._num_gathered * self.scale.value), tf.float32)
        norm, _ = self._call("update", epoch < self._freeze_epochs, (), share)
        self._num_gathered = 0
        self.scale.grow()
        return float(norm)

    def predict(self, inputs: Any) -> NDArray[np.float64]:
        """Returns the logits [B] of this machine's inputs, as the network is served."""
        size = int(tf.nest.flatten(inputs)[0].shape[0])
        filled, _, _ = _fill_up((inputs, tf.zeros(size), tf.zeros(size)), self._devices.num_local)
        _, logits = self._call("predict", False, self._devices.share_out(filled), tf.constant(1.0))
        return self._join(logits)[:size]

    def _join(self, logits: Any) -> NDArray[np.float64]:
        return np.concatenate([np.asarray(part, np.float64) for part in self._devices.parts(logits)])

    # What runs on each device ----------------------------------------------------------------------------------------

    def _call(self, name: str, still: bool, arguments: Any, share: tf.Tensor) -> Any:
        """Calls a function on every replica, traced once for a still backbone and once for one that learns."""
        if (name, still) not in self._functions:
            replica = {"gather": self._gather, "update": self._update, "predict": self._predict}[name]
            run = functools.partial(self._run_everywhere, functools.partial(replica, still))
            # Nothing below branches on a tensor: there is nothing for AutoGraph to rewrite.
            self._functions[name, still] = tf.function(
                run, jit_compile=self._jit, reduce_retracing=True, autograph=False
            )
        return self._functions[name, still](arguments, share)

    def _run_everywhere(self, replica: Callable, arguments: Any, share: tf.Tensor) -> tuple[Any, Any]:
        """Returns the sum of what the replicas give first, and what each gives besides."""
        if self._devices.num_replicas == 1:
            return replica(arguments, share)
        summed, own = self._devices.strategy.run(replica, (arguments, share))
        return self._devices.strategy.reduce("SUM", summed, axis=None), own

    def _learning(self, still: bool) -> list[int]:
        return [number for number, part in enumerate(self._parts) if not (still and part.first_epoch)]

    def _gather(self, still: bool, batch: tuple, share: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        inputs, labels, weights = batch
        learning = self._learning(still)
        with tf.GradientTape() as tape:
            logits = self._networks[still](inputs, training=True)
            by_clip = self._loss(labels[:, None], logits[:, None])
            loss = tf.reduce_sum(by_clip * weights) * share
            if self._model.losses:
                loss += tf.add_n(self._model.losses) / self._devices.num_replicas
            scaled = loss * self.scale.value
        variables = [one for number in learning for one in self._parts[number].variables]
        sums = [one for number in learning for one in self._sums[number]]
        bad = tf.constant(0.0)
        for gathered, gradient in zip(sums, tape.gradient(scaled, variables), strict=True):
            if gradient is not None:
                gradient = tf.convert_to_tensor(gradient)
                gathered.assign_add(gradient)
                bad += tf.reduce_sum(tf.cast(~tf.math.is_finite(gradient), tf.float32))
        return tf.stack([loss, bad]), logits

    def _update(self, still: bool, arguments: tuple, share: tf.Tensor) -> tuple[tf.Tensor, tuple]:
        learning = self._learning(still)
        gathered = [one for number in learning for one in self._sums[number]]
        gradients = self._all_reduce("SUM", [one * share for one in gathered])
        norm = tf.linalg.global_norm(gradients)
        if self._clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm, use_norm=norm)
        rest = iter(gradients)
        for number in learning:
            part = self._parts[number]
            # Keras' optimizers add up what the devices bring: each brings its share of what is added up already.
            own = [next(rest) / self._devices.num_replicas for _ in part.variables]
            part.optimizer.apply(own, part.variables)
        if self.average:
            self.average.update()
        for one in gathered:
            one.assign(tf.zeros_like(one))
        self._align_statistics()
        return norm / self._devices.num_replicas, ()

    def _predict(self, still: bool, inputs: Any, share: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = self._model(inputs, training=False)
        return tf.size(logits), logits

    def _align_statistics(self) -> None:
        """Makes what layers remember of their batches the mean over the devices, which see other parts of them."""
        found = [one for one in self._model.non_trainable_variables if one.dtype.startswith(("float", "bfloat"))]
        if self._devices.num_replicas > 1 and found:
            for one, mean in zip(found, self._all_reduce("MEAN", [one + 0.0 for one in found]), strict=True):
                one.assign(mean)

    def _all_reduce(self, how: str, values: list[tf.Tensor]) -> list[tf.Tensor]:
        if self._devices.num_replicas == 1:
            return values
        return tf.distribute.get_replica_context().all_reduce(how, values)


def _gradient_sum(weight: keras.Variable) -> tf.Variable:
    # Each device adds to its own; they are summed when the weights change.
    return tf.Variable(
        tf.zeros(weight.shape, weight.dtype),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )


def _fill_up(batch: tuple, num_parts: int) -> tuple:
    """Repeats clips, with the weight 0, where there are fewer than devices: none may be without."""
    inputs, labels, weights = batch
    missing = num_parts - int(labels.shape[0])
    if missing <= 0:
        return batch

    def longer(one: tf.Tensor) -> tf.Tensor:
        return tf.concat([one, tf.repeat(one[:1], missing, axis=0)], axis=0)

    return tf.nest.map_structure(longer, inputs), longer(labels), tf.concat([weights, tf.zeros(missing)], axis=0)


def _compile_with_xla(settings: TrainSettings, devices: Devices, model: keras.Model) -> bool:
    if settings.xla != "auto":
        return settings.xla == "on"
    # As Keras decides: on a GPU, if every layer can, and on one device.
    return (
        devices.num_replicas == 1
        and not settings.deterministic
        and bool(tf.config.list_physical_devices("GPU"))
        and all(getattr(layer, "supports_jit", True) for layer in model._flatten_layers())
    )
