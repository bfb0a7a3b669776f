"""How a training steps."""

import keras

from deepfake_tf.settings import TrainSettings


def build_optimizer(settings: TrainSettings) -> keras.optimizers.Optimizer:
    """Returns the optimizer, not yet built."""
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    if settings.precision == "mixed_float16":
        # Its smallest numbers are too large for many gradients.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
