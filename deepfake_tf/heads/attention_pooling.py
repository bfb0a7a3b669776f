"""A weighted mean over the frames, whose weights are learned: telling frames count more.

Shape letters: B clips, T frames, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.heads import _masked

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "gated attention, Ilse et al. 2018, https://arxiv.org/abs/1802.04712"
TINY: dict[str, Any] = {"units": 4}


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`, drawn by Keras Tuner."""
    return {"units": hp.Choice("units", [32, 64, 128])}


def build(num_frames: int, width: int, *, units: int = 64) -> keras.Model:
    """Builds the head.

    Args:
        num_frames: T.
        width: D.
        units: size of the space in which frames are compared.

    Returns:
        features [B, T, D], mask bool [B, T] -> [B, D]; zeros where no frame is there.
    """
    features, mask = _masked.inputs(num_frames, width)
    kept = _masked.present(features, mask)
    content = keras.layers.Dense(units, activation="tanh", name="content")(kept)
    gate = keras.layers.Dense(units, activation="sigmoid", name="gate")(kept)
    scores = keras.layers.Dense(1, use_bias=False, name="score")(content * gate)
    shares = keras.ops.expand_dims(_masked.shares(keras.ops.squeeze(scores, axis=-1), mask), -1)
    return keras.Model([features, mask], keras.ops.sum(shares * kept, axis=1), name="attention_pooling")
