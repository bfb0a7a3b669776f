"""ConvNeXt-Tiny of keras.applications: convolutions arranged as a transformer is.

Shape letters: B frames, H = W pixels, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import _applications

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Liu et al. 2022, https://arxiv.org/abs/2201.03545; keras.applications"
IMAGE_SIZE = 224
WEIGHTS = _applications.WEIGHTS
BLOCK = r"(stage_\d+_block_\d+)_"
TINY = _applications.TINY


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
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 768 if all blocks are kept.

    Raises:
        ConfigError: the frames are too small, or there are not as many blocks.
        AssetError: the weights are not there.
    """
    network = keras.applications.ConvNeXtTiny
    return _applications.build(network, image_size, block=BLOCK, weights=weights, num_blocks=num_blocks)
