"""How a training steps: the optimizer of each part of a network, and its learning rate over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from deepfake_tf.learning.freezing import backbone_of
from deepfake_tf.learning.settings import TrainSettings


@dataclass(frozen=True)
class Part:
    """Variables that step together.

    Attributes:
        variables: trainable ones.
        optimizer: built on them.
        first_epoch: the epoch, from 0, with which they begin to learn.
    """

    variables: list[keras.Variable]
    optimizer: keras.optimizers.Optimizer
    first_epoch: int = 0


def build_parts(model: keras.Model, settings: TrainSettings, updates_per_epoch: int) -> list[Part]:
    """Returns the optimizers of a training.

    One for the whole network; or, where the backbone begins later or learns with a rate of its own, one for it and one
    for the rest. The backbone's begins to count when it begins to learn: moments of nothing would make its first steps
    too large.

    Args:
        model: the network.
        settings: optimizer, learning rate and its schedule.
        updates_per_epoch: how often the weights change in an epoch.
    """
    variables = list(model.trainable_variables)
    late = {id(one) for one in backbone_of(model).trainable_variables} if _is_parted(settings) else set()
    groups = [([one for one in variables if id(one) not in late], 0, 1.0)]
    if late:
        own = [one for one in variables if id(one) in late]
        groups.append((own, settings.freeze_epochs, settings.backbone_rate))
    parts = []
    for own, first_epoch, factor in groups:
        rate = build_rate(settings, updates_per_epoch, first_update=first_epoch * updates_per_epoch, factor=factor)
        parts.append(Part(own, _build_optimizer(settings, rate, own), first_epoch))
    return parts


def _is_parted(settings: TrainSettings) -> bool:
    return settings.freeze_epochs > 0 or settings.backbone_rate != 1.0


def _build_optimizer(
    settings: TrainSettings, rate: keras.optimizers.schedules.LearningRateSchedule, variables: Sequence[keras.Variable]
) -> keras.optimizers.Optimizer:
    if settings.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=settings.momentum)
    elif settings.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
        # A bias or a scale near 0 is no simpler than another one.
        optimizer.exclude_from_weight_decay(var_list=[one for one in variables if len(one.shape) < 2])
    else:
        optimizer = keras.optimizers.Adam(rate)
    optimizer.build(list(variables))
    return optimizer


def build_rate(
    settings: TrainSettings, updates_per_epoch: int, *, first_update: int = 0, factor: float = 1.0
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns the learning rate of each update.

    It rises evenly over `warmup_epochs`, and then stays, or follows half a cosine to 0 at the end of the last epoch.

    Args:
        settings: learning_rate, warmup_epochs, schedule, epochs.
        updates_per_epoch: how often the weights change in an epoch.
        first_update: the update of the training with which the optimizer begins.
        factor: of the rate.
    """
    schedules = keras.optimizers.schedules
    peak = float(settings.learning_rate)
    warmup = round(settings.warmup_epochs * updates_per_epoch)
    start = peak / (warmup + 1)
    if settings.schedule == "cosine":
        total = settings.epochs * updates_per_epoch
        rate = schedules.CosineDecay(
            start if warmup else peak,
            max(1, total - warmup),
            warmup_target=peak if warmup else None,
            warmup_steps=warmup,
        )
    else:
        rate = schedules.PolynomialDecay(start if warmup else peak, max(1, warmup), end_learning_rate=peak)
    return _Shifted(rate, first_update, factor)


class _Shifted(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule from a later step on, times a factor."""

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, first_step: int, factor: float
    ) -> None:
        super().__init__()
        self._schedule = schedule
        self._first_step = first_step
        self._factor = factor

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        step = keras.ops.cast(step, "int64") + self._first_step
        return self._factor * self._schedule(step)
