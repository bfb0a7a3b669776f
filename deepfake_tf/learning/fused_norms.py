"""Batch normalisation as one operation while a network learns.

Keras 3 puts it together from means, squares, differences and products, each of which reads and writes all activations.
TensorFlow has one operation for all of it and one for its gradients, on processors and on GPUs (`FusedBatchNormV3`).
What is served stays Keras': there a normalisation is one product and one sum.
"""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras.layers import BatchNormalization

# Statistics are float32 for all of them, as Keras' are.
_DTYPES = ("float32", "bfloat16", "float16")


def with_fused_norms(model: keras.Model) -> keras.Model:
    """Returns a network with the layers of another, whose batch normalisations take one operation in a training step.

    Values, gradients and statistics are those of the other network.

    Args:
        model: any; networks inside of it are gone through as well.
    """

    def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.Model):
            return with_fused_norms(layer)
        return _FusedNorm(layer) if _can_be_fused(layer) else layer

    if not any(_can_be_fused(layer) for layer in _layers_of(model)):
        return model
    return keras.models.clone_model(model, clone_function=replace)


def _layers_of(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a network, and those of networks inside of it."""
    for layer in model.layers:
        yield from _layers_of(layer) if isinstance(layer, keras.Model) else (layer,)


def _can_be_fused(layer: keras.layers.Layer) -> bool:
    if not isinstance(layer, BatchNormalization) or layer.compute_dtype not in _DTYPES:
        return False
    # Of pictures, channels last; what is not in a graph of Keras' has no input.
    is_plain = layer.axis in (-1, 3) and getattr(getattr(layer, "input", None), "ndim", 0) == 4
    return is_plain and layer.scale and layer.center and not (layer.renorm or layer.synchronized)


class _FusedNorm(keras.layers.Layer):
    """Does what a batch normalisation does, by its weights.

    Args:
        norm: the layer.
    """

    def __init__(self, norm: BatchNormalization) -> None:
        super().__init__(name=norm.name, dtype=norm.dtype_policy)
        self.norm = norm

    def call(self, x: Any, training: bool | None = None, mask: None = None) -> Any:
        """Does what the class says. Pictures have no mask; Keras hands it on."""
        norm = self.norm
        if not (training and norm.trainable):
            return norm(x, training=False)
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.convert_to_tensor(norm.gamma, tf.float32),
            offset=tf.convert_to_tensor(norm.beta, tf.float32),
            mean=[],
            variance=[],
            epsilon=norm.epsilon,
            is_training=True,
        )
        # The operation divides by one less than the number of values, Keras by their number.
        count = tf.cast(tf.size(x, tf.int64) // x.shape[-1], tf.float32)
        variance *= tf.maximum(count - 1, 1) / count
        for remembered, now in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
            remembered.assign(remembered * norm.momentum + tf.stop_gradient(now) * (1 - norm.momentum))
        return y

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of what `call` gives."""
        return input_shape
