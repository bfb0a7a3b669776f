"""Long short-term memory over the frames: the head that sees their order.

Shape letters: B clips, T frames, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Hochreiter and Schmidhuber 1997; over the frames of a video as in Guera and Delp 2018"
TINY: dict[str, Any] = {"units": 4}


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`, drawn by Keras Tuner."""
    return {"units": hp.Choice("units", [32, 64, 128]), "dropout": hp.Choice("dropout", [0.0, 0.1, 0.2, 0.3, 0.4])}


def build(
    num_frames: int, width: int, *, units: int = 64, dropout: float = 0.0, use_cudnn: bool = False
) -> keras.Model:
    """Builds the head.

    Args:
        num_frames: T.
        width: D.
        units: D', size of the state.
        dropout: share of the features dropped while training, the same in every frame of a clip, in [0, 1).
        use_cudnn: run on cuDNN where it is there; it refuses clips whose missing frames are not all at the end. What
            is exported runs without it.

    Returns:
        features [B, T, D], mask bool [B, T] -> last state [B, D']; a frame that is not there leaves the state as it
        was, zeros where no frame is there.
    """
    features = keras.Input((num_frames, width), name="features")
    mask = keras.Input((num_frames,), dtype="bool", name="mask")
    # Dropout of its own: inside the LSTM layer it would be drawn in a way that depends on cuDNN being there.
    dropped = keras.layers.Dropout(dropout, noise_shape=(None, 1, width), name="dropout")(features)
    state = keras.layers.LSTM(units, use_cudnn="auto" if use_cudnn else False, name="lstm")(dropped, mask=mask)
    return keras.Model([features, mask], state, name="lstm")
