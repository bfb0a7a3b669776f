"""A moving average of the weights, which is validated and kept in their place."""

import contextlib
from collections.abc import Iterator, Sequence

import keras


class WeightAverage:
    """An exponential moving average (Polyak and Juditsky, 1992).

    Its momentum begins low, min(momentum, (1 + n) / (10 + n)) at update n, as that of tf.train: a short training would
    else keep what it began with.
    """

    def __init__(self, variables: Sequence[keras.Variable], momentum: float) -> None:
        """Begins with the variables as they are.

        Args:
            variables: to be averaged; the average of statistics is theirs already.
            momentum: share of the average that stays at an update, in [0, 1).
        """
        self._weights = list(variables)
        self._momentum = momentum
        self._averages = [
            keras.Variable(keras.ops.convert_to_numpy(one), trainable=False, dtype=one.dtype, name="average")
            for one in self._weights
        ]
        self._num_updates = keras.Variable(0.0, trainable=False, dtype="float32", name="num_updates")

    @property
    def variables(self) -> list[keras.Variable]:
        """All of its state."""
        return [*self._averages, self._num_updates]

    def update(self) -> None:
        """Takes in the weights; called where the optimizer is, after it."""
        done = self._num_updates + 0.0
        momentum = keras.ops.minimum(self._momentum, (1.0 + done) / (10.0 + done))
        for average, weight in zip(self._averages, self._weights, strict=True):
            step = keras.ops.cast(1.0 - momentum, average.dtype) * (weight - average)
            average.assign(average + step)
        self._num_updates.assign(done + 1.0)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The weights are the averages within the block."""
        before = [keras.ops.convert_to_numpy(one) for one in self._weights]
        for weight, average in zip(self._weights, self._averages, strict=True):
            weight.assign(keras.ops.convert_to_numpy(average))
        try:
            yield
        finally:
            for weight, value in zip(self._weights, before, strict=True):
                weight.assign(value)
