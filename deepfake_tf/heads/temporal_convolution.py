"""Convolutions over the frames, each reaching twice as far as the one before: flicker and jumps.

Shape letters: B clips, T frames, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.heads import _masked

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Bai et al. 2018, https://arxiv.org/abs/1803.01271, looking both ways"
TINY: dict[str, Any] = {"units": 4, "num_blocks": 2}


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`, drawn by Keras Tuner."""
    return {"units": hp.Choice("units", [32, 64, 128]), "num_blocks": hp.Int("num_blocks", 1, 3)}


def build(num_frames: int, width: int, *, units: int = 64, num_blocks: int = 2, dropout: float = 0.0) -> keras.Model:
    """Builds the head.

    Args:
        num_frames: T.
        width: D.
        units: D', channels of each convolution.
        num_blocks: convolutions over 3 frames that lie 1, 2, 4 ... apart.
        dropout: share of channels dropped while training, the same in every frame of a clip, in [0, 1).

    Returns:
        features [B, T, D], mask bool [B, T] -> [B, D']; zeros where no frame is there. A missing frame is to its
        neighbours what lies beyond the ends of the clip: zeros.
    """
    features, mask = _masked.inputs(num_frames, width)
    x = keras.layers.Dense(units, name="project")(_masked.present(features, mask))
    for number in range(num_blocks):
        y = keras.layers.LayerNormalization(name=f"norm_{number}")(x)
        y = keras.layers.Conv1D(units, 3, padding="same", dilation_rate=2**number, name=f"conv_{number}")(
            _masked.present(y, mask)
        )
        y = keras.layers.Activation("relu", name=f"relu_{number}")(y)
        y = keras.layers.SpatialDropout1D(dropout, name=f"dropout_{number}")(y)
        x = keras.layers.Add(name=f"add_{number}")([x, y])
    return keras.Model([features, mask], _masked.mean(x, mask), name="temporal_convolution")
