"""The devices that a training runs on: one, several of this machine, or several machines.

Every replica sees its part of each batch, and the gradients are summed over all: the step is that of one device on the
whole batch. Workers of several machines are those that the variable TF_CONFIG names, as TensorFlow defines it.
"""

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepfake_tf.errors import ConfigError


@dataclass(frozen=True)
class Devices:
    """Where a training runs.

    Attributes:
        strategy: TensorFlow's; variables are made within its scope.
        worker: which of the machines this is, from 0.
        num_workers: how many machines there are.
        names: of this machine's devices.
    """

    strategy: tf.distribute.Strategy
    worker: int = 0
    num_workers: int = 1
    names: tuple[str, ...] = ()

    @property
    def num_replicas(self) -> int:
        """Over all machines."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def num_local(self) -> int:
        """Replicas of this machine."""
        return self.num_replicas // self.num_workers

    @property
    def writes(self) -> bool:
        """Whether this machine writes the run's files: one of them does."""
        return self.worker == 0

    def share_out(self, batch: Any) -> Any:
        """Parts a batch among the replicas of this machine.

        Args:
            batch: tensors [B, ...], nested.

        Returns:
            The same for `strategy.run`: the replicas' parts side by side are the batch.
        """
        if self.num_replicas == 1:
            return batch
        first = self.worker * self.num_local

        def part(context: tf.distribute.InputContext) -> Any:
            number = context.replica_id_in_sync_group - first
            return tf.nest.map_structure(lambda one: _part(one, number, self.num_local), batch)

        return self.strategy.experimental_distribute_values_from_function(part)

    def parts(self, values: Any) -> list[Any]:
        """Returns what the replicas of this machine gave, in the order of `share_out`."""
        return list(self.strategy.experimental_local_results(values))

    def gather(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the values of all machines, one machine after the other; each has as many as this one.

        Args:
            values: float64 [N].

        Returns:
            float64 [num_workers * N], the same on every machine.
        """
        if self.num_workers == 1:
            return values
        everyone = np.zeros((self.num_workers, len(values)))
        # The strategy adds up the replicas of one machine too: only one of them brings something.
        everyone[self.worker] = values
        own = self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(everyone * (context.replica_id_in_sync_group == self.worker * self.num_local))
        )
        return np.asarray(self.strategy.reduce("SUM", own, axis=None)).ravel()

    def describe(self) -> dict[str, Any]:
        """Returns what run.json says of it."""
        return {"names": list(self.names), "num_replicas": self.num_replicas, "num_workers": self.num_workers}


def _part(tensor: tf.Tensor, number: int, of: int) -> tf.Tensor:
    size = int(tensor.shape[0])
    return tensor[number * size // of : (number + 1) * size // of]


def find_devices(num_devices: int = 0, *, environment: Mapping[str, str] = os.environ) -> Devices:
    """Returns the devices to train on.

    Args:
        num_devices: of this machine: its first so many GPUs, or logical CPUs where it has no GPU. 0 for all GPUs, or
            one CPU.
        environment: where TF_CONFIG is looked for.

    Raises:
        ConfigError: there are not as many, or TF_CONFIG is not what TensorFlow defines.
    """
    worker, num_workers = _place(environment.get("TF_CONFIG", ""))
    if num_workers > 1:
        if num_devices:
            raise ConfigError("Several workers use all their GPUs, without --devices. Hide some: CUDA_VISIBLE_DEVICES.")
        strategy = _meet_workers()
        # By now TensorFlow sees the devices of the other workers as well.
        num_local = int(strategy.num_replicas_in_sync) // num_workers
        return Devices(strategy, worker, num_workers, _names(_logical_devices()[:num_local]))
    found = _logical_devices()
    # One of several virtual CPUs, because they share what there is.
    wanted = num_devices or (len(found) if found[0].device_type == "GPU" else 1)
    if not 1 <= wanted <= len(found):
        raise ConfigError(
            f"TensorFlow sees {len(found)} {found[0].device_type}s here. Received: --devices {num_devices}"
        )
    found = found[:wanted]
    strategy = tf.distribute.get_strategy() if wanted == 1 else _mirror(tuple(x.name for x in found))
    return Devices(strategy, names=_names(found))


def _logical_devices() -> list[tf.config.LogicalDevice]:
    return tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")


def _names(devices: Sequence[tf.config.LogicalDevice]) -> tuple[str, ...]:
    physical = tf.config.list_physical_devices("GPU")
    if not physical:
        return ("CPU",) * len(devices)
    return tuple(
        str(tf.config.experimental.get_device_details(one).get("device_name", "GPU"))
        for one in physical[: len(devices)]
    )


def _place(text: str) -> tuple[int, int]:
    """Reads TF_CONFIG: which worker this is, and of how many."""
    if not text:
        return 0, 1
    try:
        values = json.loads(text)
        workers, task = values["cluster"]["worker"], values["task"]
        place = int(task["index"])
        if task["type"] != "worker" or set(values["cluster"]) != {"worker"} or not 0 <= place < len(workers):
            raise ValueError(text)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            'TF_CONFIG must be {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}, '
            f"with this machine's own index. Received: {text}"
        ) from error
    return place, len(workers)


# Once in a process: a second strategy would number its exchanges as the first, and they be taken for one another.
@functools.cache
def _mirror(names: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(list(names))


@functools.cache
def _meet_workers() -> tf.distribute.Strategy:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise ConfigError(
            f"TensorFlow must meet the other workers before it does anything else in this process ({error}). "
            "Start each worker as a process of its own: python -m pipelines.train."
        ) from error
