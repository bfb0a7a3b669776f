"""Gated recurrent units over the frames: the order of time with fewer weights than the LSTM.

Shape letters: B clips, T frames, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.heads import _masked

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Cho et al. 2014, https://arxiv.org/abs/1406.1078"
TINY: dict[str, Any] = {"units": 4}


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`, drawn by Keras Tuner."""
    return {"units": hp.Choice("units", [32, 64, 128]), "dropout": hp.Float("dropout", 0.0, 0.4, step=0.1)}


def build(
    num_frames: int, width: int, *, units: int = 64, dropout: float = 0.0, use_cudnn: bool = False
) -> keras.Model:
    """Builds the head.

    Args:
        num_frames: T.
        width: D.
        units: size of the state.
        dropout: share of the features dropped while training, the same in every frame of a clip, in [0, 1).
        use_cudnn: run on cuDNN where it is there; it refuses clips whose missing frames are not all at the end. What
            is exported runs without it.

    Returns:
        features [B, T, D], mask bool [B, T] -> last state [B, units]; a frame that is not there leaves the state as
        it was, zeros where no frame is there.
    """
    features, mask = _masked.inputs(num_frames, width)
    dropped = keras.layers.Dropout(dropout, noise_shape=(None, 1, width), name="dropout")(features)
    state = keras.layers.GRU(units, use_cudnn="auto" if use_cudnn else False, name="gru")(dropped, mask=mask)
    return keras.Model([features, mask], state, name="gru")
