"""What a training minimises."""

import keras

from deepfake_tf.learning.settings import TrainSettings


def build_loss(settings: TrainSettings) -> keras.losses.Loss:
    """Returns the loss of each clip: labels [B, 1] in [0, 1] and logits [B, 1] -> [B].

    "focal" is Lin et al., Focal Loss for Dense Object Detection (ICCV 2017), without its weight of the classes: that is
    what `balance` is for. Smoothed labels are 0.5 * label_smoothing away from 0 and 1.
    """
    shared = {"from_logits": True, "label_smoothing": settings.label_smoothing, "reduction": "none"}
    if settings.loss == "focal":
        return keras.losses.BinaryFocalCrossentropy(gamma=settings.focal_gamma, **shared)
    return keras.losses.BinaryCrossentropy(**shared)
