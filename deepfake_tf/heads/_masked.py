"""Means, maxima and softmax over the frames that are there, for the heads.

Nothing that a blank crop gives, not even infinity, may reach a result: values are chosen, never multiplied by 0.

Shape letters: B clips, T frames, D features.
"""

import keras
from keras import ops


def inputs(num_frames: int, width: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns the two inputs of every head: features [B, T, D] and mask bool [B, T].

    Args:
        num_frames: T.
        width: D.
    """
    features = keras.Input((num_frames, width), name="features")
    return features, keras.Input((num_frames,), dtype="bool", name="mask")


def present(values: keras.KerasTensor, mask: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the values with zeros for frames that are not there.

    Args:
        values: [B, T, D].
        mask: bool [B, T].
    """
    return ops.where(ops.expand_dims(mask, -1), values, 0.0)


def mean(values: keras.KerasTensor, mask: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the mean [B, D] over the frames that are there, zeros where none is.

    Args:
        values: [B, T, D].
        mask: bool [B, T].
    """
    count = ops.sum(ops.cast(ops.expand_dims(mask, -1), values.dtype), axis=1)
    return ops.sum(present(values, mask), axis=1) / ops.maximum(count, 1.0)


def maximum(values: keras.KerasTensor, mask: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the largest value [B, D] of each feature over the frames that are there, zeros where none is.

    Args:
        values: [B, T, D].
        mask: bool [B, T].
    """
    largest = ops.max(ops.where(ops.expand_dims(mask, -1), values, -float("inf")), axis=1)
    return ops.where(ops.any(mask, axis=1, keepdims=True), largest, 0.0)


def shares(scores: keras.KerasTensor, mask: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the softmax of scores over the frames that are there: sums to 1, or to 0 where none is.

    Args:
        scores: [B, T].
        mask: bool [B, T].
    """
    largest = ops.stop_gradient(ops.max(ops.where(mask, scores, -float("inf")), axis=1, keepdims=True))
    largest = ops.where(ops.any(mask, axis=1, keepdims=True), largest, 0.0)
    # The inner choice keeps the exponential of what is not there from overflowing, in the gradient too.
    powers = ops.where(mask, ops.exp(ops.where(mask, scores - largest, 0.0)), 0.0)
    return powers / ops.maximum(ops.sum(powers, axis=1, keepdims=True), 1e-7)
