"""MesoInception-4: few layers that see texture between noise and meaning, where early deepfakes went wrong.

With its last layer of one unit it has the original's 28,615 trainable parameters at 256 pixels.

Shape letters: B frames, H = W pixels, D features.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from deepfake_tf.backbones import _weights
from deepfake_tf.errors import ConfigError

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Afchar et al. 2018, https://arxiv.org/abs/1809.00888, in the form of DariusAf/MesoNet"
IMAGE_SIZE = 256
WEIGHTS = ("none", "file")
BLOCK = r"^block_(\d)"
TINY: dict[str, Any] = {"dropout": 0.0}
MIN_IMAGE_SIZE = 32

# Channels of the four branches of each inception block, and of each plain convolution.
INCEPTIONS = ((1, 4, 4, 2), (2, 4, 4, 2))
CONVOLUTIONS = (16, 16)
UNITS = 16


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`, drawn by Keras Tuner."""
    return {"dropout": hp.Float("dropout", 0.0, 0.5, step=0.1)}


def build(image_size: int, *, dropout: float = 0.5, weights: str = "none") -> keras.Model:
    """Builds the network up to its last layer but one.

    Args:
        image_size: H = W of the frames in pixels, 32 or more.
        dropout: share of values dropped while training, before the dense layer, in [0, 1).
        weights: "none" or a Keras weights file of this backbone.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 16.

    Raises:
        ConfigError: the frames are too small.
        AssetError: the weights are not there.
    """
    if image_size < MIN_IMAGE_SIZE:
        raise ConfigError(f"MesoInception-4 needs frames of 32 pixels or more. Received: image_size={image_size}")
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = layers.Rescaling(1 / 255, name="scale")(pixels)
    for number, widths in enumerate(INCEPTIONS):
        x = _inception(x, widths, f"block_{number}")
        x = _normalise_and_pool(x, 2, f"block_{number}")
    for number, width in enumerate(CONVOLUTIONS, len(INCEPTIONS)):
        x = _conv(x, width, 5, f"block_{number}_conv")
        x = _normalise_and_pool(x, 4 if number == 3 else 2, f"block_{number}")
    x = layers.Dropout(dropout, name="dropout")(layers.Flatten(name="flat")(x))
    x = layers.Dense(UNITS, name="features")(x)
    model = keras.Model(pixels, layers.LeakyReLU(0.1, name="leaky_relu")(x), name="meso_inception_4")
    _weights.load(model, weights)
    return model


def _inception(x: keras.KerasTensor, widths: Sequence[int], name: str) -> keras.KerasTensor:
    branches = [_conv(x, widths[0], 1, f"{name}_a")]
    for dilation, (letter, width) in enumerate(zip("bcd", widths[1:], strict=True), 1):
        y = _conv(x, width, 1, f"{name}_{letter}")
        branches.append(_conv(y, width, 3, f"{name}_{letter}_dilated", dilation))
    return layers.Concatenate(name=f"{name}_join")(branches)


def _conv(x: keras.KerasTensor, width: int, size: int, name: str, dilation: int = 1) -> keras.KerasTensor:
    return layers.Conv2D(width, size, padding="same", dilation_rate=dilation, activation="relu", name=name)(x)


def _normalise_and_pool(x: keras.KerasTensor, size: int, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.MaxPooling2D(size, padding="same", name=f"{name}_pool")(x)
