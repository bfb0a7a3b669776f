"""A factor of the loss that keeps small gradients above the smallest number of float16 (Micikevicius et al., 2018)."""

import keras

_FIRST = 2.0**15
_GROW_AFTER = 2000
"""Updates without a gradient beyond float16, after which the factor is doubled; as in Keras' LossScaleOptimizer."""


class LossScale:
    """The factor: halved when a gradient was not finite, doubled after many that were; 1 where it is not needed."""

    def __init__(self, *, active: bool) -> None:
        self._active = active
        # Read by each device: one number, not one each.
        self._scale = keras.Variable(_FIRST if active else 1.0, trainable=False, dtype="float32", name="loss_scale")
        self._num_good = keras.Variable(0.0, trainable=False, dtype="float32", name="num_good_updates")

    @property
    def variables(self) -> list[keras.Variable]:
        """All of its state."""
        return [self._scale, self._num_good] if self._active else []

    @property
    def value(self) -> keras.KerasTensor:
        """The factor."""
        return self._scale.value

    def shrink(self) -> bool:
        """Halves the factor; returns whether it could."""
        if not self._active or _number(self._scale) <= 1:
            return False
        self._scale.assign(_number(self._scale) / 2)
        self._num_good.assign(0.0)
        return True

    def grow(self) -> None:
        """Counts an update with finite gradients."""
        if not self._active:
            return
        self._num_good.assign(_number(self._num_good) + 1)
        if _number(self._num_good) >= _GROW_AFTER:
            self._scale.assign(_number(self._scale) * 2)
            self._num_good.assign(0.0)


def _number(variable: keras.Variable) -> float:
    # On several devices a variable is several, which `float` does not take.
    return float(keras.ops.convert_to_numpy(variable.value + 0.0))
