"""EfficientNet-B4 of keras.applications: `efficientnet_b0`, deeper and wider.

Shape letters: B frames, H = W pixels, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import efficientnet_b0

if TYPE_CHECKING:
    import keras_tuner

SOURCE = efficientnet_b0.SOURCE
IMAGE_SIZE = 380
WEIGHTS = efficientnet_b0.WEIGHTS
BLOCK = efficientnet_b0.BLOCK
TINY = efficientnet_b0.TINY


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`; there are none to draw."""
    return {}


def build(image_size: int, *, weights: str = "none", num_blocks: int | None = None) -> keras.Model:
    """Builds the network.

    Args:
        image_size: H = W of the frames in pixels, 32 or more.
        weights: "none", "imagenet", or a Keras weights file of this backbone.
        num_blocks: how many blocks are kept, all if None.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 1792 if all blocks are kept.

    Raises:
        ConfigError: the frames are too small, or there are not as many blocks.
        AssetError: the weights are not there.
    """
    network = keras.applications.EfficientNetB4
    return efficientnet_b0.build_network(network, image_size, weights=weights, num_blocks=num_blocks)
