"""The largest value of each feature over the frames that are there: one bad frame is enough.

Shape letters: B clips, T frames, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.heads import _masked

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "max pooling over time"
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
    features, mask = _masked.inputs(num_frames, width)
    return keras.Model([features, mask], _masked.maximum(features, mask), name="max")
