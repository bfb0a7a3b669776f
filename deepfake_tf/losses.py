"""What a training minimises."""

import keras

from deepfake_tf.settings import TrainSettings


def build_loss(settings: TrainSettings) -> keras.losses.Loss:
    """Returns the loss: labels [B, 1] in [0, 1] and logits [B, 1] -> the mean over the batch, weighed by clip."""
    return keras.losses.BinaryCrossentropy(from_logits=True)
