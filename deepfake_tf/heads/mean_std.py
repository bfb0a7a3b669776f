"""Mean and standard deviation over the frames that are there: what a face is like, and how much it flickers.

Shape letters: B clips, T frames, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.heads import _masked

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "statistics pooling, Snyder et al. 2018, https://doi.org/10.1109/ICASSP.2018.8461375"
TINY: dict[str, Any] = {}


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`; there are none to draw."""
    return {}


def build(num_frames: int, width: int) -> keras.Model:
    """Builds the head.

    Args:
        num_frames: T.
        width: D.

    Returns:
        features [B, T, D], mask bool [B, T] -> means, then deviations [B, 2D]; both zero where no frame is there, the
        deviation 0.001 where only one is.
    """
    features, mask = _masked.inputs(num_frames, width)
    mean = _masked.mean(features, mask)
    distance = _masked.present(features - keras.ops.expand_dims(mean, 1), mask)
    # The root has no slope at 0, so that equal frames would stop the training.
    deviation = keras.ops.sqrt(_masked.mean(keras.ops.square(distance), mask) + 1e-6)
    deviation = keras.ops.where(keras.ops.any(mask, axis=1, keepdims=True), deviation, 0.0)
    return keras.Model([features, mask], keras.ops.concatenate([mean, deviation], axis=-1), name="mean_std")
