"""A small convolutional network: a baseline that trains on a laptop.

Shape letters: B frames, H = W pixels, C channels, D features.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.errors import ConfigError

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "this project: convolution, batch normalisation and max-pooling, in the manner of LeNet and VGG"
IMAGE_SIZE = 128
BLOCK = r"(?:conv|norm)_(\d+)"
TINY: dict[str, Any] = {"channels": [4, 8], "dropout": 0.0}


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`, drawn by Keras Tuner."""
    width = hp.Choice("width", [16, 24, 32])
    depth = hp.Int("depth", 3, 5)
    return {
        "channels": [min(width * 2**block, 128) for block in range(depth)],
        "dropout": hp.Choice("dropout", [0.0, 0.1, 0.2, 0.3, 0.4]),
    }


def build(image_size: int, *, channels: Sequence[int] = (16, 32, 64, 96), dropout: float = 0.1) -> keras.Model:
    """Builds the network: blocks of convolution, batch normalisation and pooling, then the mean over the picture.

    Args:
        image_size: H = W of the frames in pixels.
        channels: of each block; each block halves the picture. The last is D.
        dropout: share of channels dropped while training, after each block but the first, in [0, 1).

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D].

    Raises:
        ConfigError: there are no blocks, or more than the picture can be halved.
    """
    if not channels or image_size < 2 ** len(channels):
        raise ConfigError(
            f"small_cnn needs 1 or more blocks, and frames of at least 2^blocks pixels. "
            f"Received: channels={list(channels)}, image_size={image_size}"
        )
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(pixels)
    for number, width in enumerate(channels):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv_{number}")(x)
        # Keras' own 0.99 takes some 500 steps until what evaluation uses has settled; few clips give no more than that.
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{number}")(x)
        x = keras.layers.Activation("relu", name=f"relu_{number}")(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool_{number}")(x)
        if number:
            # Whole channels: neighbours in a map are too alike for dropping single values to matter.
            x = keras.layers.SpatialDropout2D(dropout, name=f"dropout_{number}")(x)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D(name="mean")(x), name="small_cnn")
