"""A small residual network that sees fine detail beside the colours: for training from nothing on few videos.

What blending leaves behind lies in detail of a pixel or two, which a network with weights of its own must first learn
to look at. Here it is an input: each pixel less the mean of its neighbourhood, amplified and bounded.

Shape letters: B frames, H = W pixels, C channels, D features.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from deepfake_tf.errors import ConfigError

if TYPE_CHECKING:
    import keras_tuner

SOURCE = (
    "this project: residual blocks after He et al. 2015; a high-pass input after Fridrich and Kodovsky 2012, "
    "Rich Models for Steganalysis of Digital Images"
)
IMAGE_SIZE = 128
BLOCK = r"block_(\d+)"
TINY: dict[str, Any] = {"channels": [4, 8]}
INPUTS = ("colours", "detail", "both")

# Detail of so many grey levels gives 0.76 of the most that it can give.
_DETAIL_LEVELS = 8.0


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`, drawn by Keras Tuner."""
    width = hp.Choice("width", [16, 24])
    return {"channels": [width, 2 * width, 4 * width, 6 * width], "sees": hp.Choice("sees", list(INPUTS))}


def build(image_size: int, *, channels: Sequence[int] = (16, 32, 64, 96), sees: str = "both") -> keras.Model:
    """Builds the network: a convolution and residual blocks, each of half the size, then the mean over the picture.

    Args:
        image_size: H = W of the frames in pixels.
        channels: of the first convolution and of each block. The last is D.
        sees: "colours", "detail" or "both".

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D].

    Raises:
        ConfigError: there are no blocks, more than the picture can be halved, or `sees` is none of INPUTS.
    """
    if len(channels) < 2 or image_size < 2 ** len(channels):
        raise ConfigError(
            f"high_pass_cnn needs 2 or more channels, and frames of at least 2^(their number) pixels. "
            f"Received: channels={list(channels)}, image_size={image_size}"
        )
    if sees not in INPUTS:
        raise ConfigError(f"sees must be one of {', '.join(INPUTS)}. Received: sees={sees!r}")
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    parts = {"colours": (_colours,), "detail": (_detail,), "both": (_colours, _detail)}[sees]
    seen = [part(pixels) for part in parts]
    x = seen[0] if len(seen) == 1 else layers.Concatenate(name="both")(seen)
    x = _normalise(
        layers.Conv2D(channels[0], 5, strides=2, padding="same", use_bias=False, name="first_conv")(x), "first"
    )
    x = layers.Activation("relu", name="first_relu")(x)
    for number, width in enumerate(channels[1:]):
        x = _block(x, width, f"block_{number}")
    return keras.Model(pixels, layers.GlobalAveragePooling2D(name="mean")(x), name="high_pass_cnn")


def _colours(pixels: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="colours")(pixels)


def _detail(pixels: keras.KerasTensor) -> keras.KerasTensor:
    detail = layers.Subtract(name="detail")([pixels, _smooth(pixels)])
    return layers.Activation("tanh", name="bounded")(layers.Rescaling(1 / _DETAIL_LEVELS, name="amplified")(detail))


def _smooth(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """The mean of three by three pixels, in sums: TensorFlow's pooling takes seven times as long on a processor."""
    x = ops.pad(pixels, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    rows = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
    return (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9.0


def _block(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    y = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False, name=f"{name}_conv_0")(x)
    y = layers.Activation("relu", name=f"{name}_relu_0")(_normalise(y, f"{name}_0"))
    y = _normalise(layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_conv_1")(y), f"{name}_1")
    past = layers.AveragePooling2D(2, padding="same", name=f"{name}_half")(x)
    past = _normalise(layers.Conv2D(width, 1, use_bias=False, name=f"{name}_past")(past), f"{name}_past")
    return layers.Activation("relu", name=f"{name}_relu_1")(layers.Add(name=f"{name}_sum")([y, past]))


def _normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    # Keras' own 0.99 takes some 500 steps until what evaluation uses has settled.
    return layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
