"""The mean over the frames that are there: no notion of order, the baseline of every head.

Shape letters: B clips, T frames, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "average pooling over time"
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
        features [B, T, D], mask bool [B, T] -> [B, D]; zeros where no frame is there.
    """
    features = keras.Input((num_frames, width), name="features")
    mask = keras.Input((num_frames,), dtype="bool", name="mask")
    weights = keras.ops.expand_dims(keras.ops.cast(mask, features.dtype), -1)
    # Not multiplied: nothing that a blank crop gives, not even infinity, may reach the sum.
    present = keras.ops.where(keras.ops.expand_dims(mask, -1), features, 0.0)
    count = keras.ops.maximum(keras.ops.sum(weights, axis=1), 1.0)
    return keras.Model([features, mask], keras.ops.sum(present, axis=1) / count, name="mean")
