"""CoAtNet-2 as the field's articles train it: `coatnet0`, deeper and wider.

With 1000 classes it has 55,767,564 trainable parameters. The last stage has 1026 channels, as in the original's code;
the paper's table says 1024.

Shape letters: B frames, H = W pixels, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import coatnet0

if TYPE_CHECKING:
    import keras_tuner

SOURCE = coatnet0.SOURCE
IMAGE_SIZE = 224
WEIGHTS = coatnet0.WEIGHTS
BLOCK = coatnet0.BLOCK
TINY = coatnet0.TINY

DEPTHS = (2, 2, 6, 14, 2)
CHANNELS = (128, 128, 256, 512, 1026)


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`, drawn by Keras Tuner."""
    return coatnet0.sample(hp)


def build(image_size: int, **settings: Any) -> keras.Model:
    """Builds the network.

    Args:
        image_size: H = W of the frames in pixels, a multiple of 32, 64 or more.
        **settings: those of `coatnet0.build`, with other depths and channels if they are not given.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 1026.

    Raises:
        ConfigError: the settings make no such network.
        AssetError: the weights are not there, or of another network.
    """
    return coatnet0.build(image_size, **{"depths": DEPTHS, "channels": CHANNELS, **settings})
