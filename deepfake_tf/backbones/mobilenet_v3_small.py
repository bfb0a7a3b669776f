"""MobileNetV3-Small of keras.applications: for machines without a GPU.

Shape letters: B frames, H = W pixels, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import _applications

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Howard et al. 2019, https://arxiv.org/abs/1905.02244; keras.applications"
IMAGE_SIZE = 224
WEIGHTS = _applications.WEIGHTS
BLOCK = r"^(expanded_conv(?:_\d+)?)_[a-z]"
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
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 576 if all blocks are kept.

    Raises:
        ConfigError: the frames are too small, or there are not as many blocks.
        AssetError: the weights are not there.
    """
    network = keras.applications.MobileNetV3Small
    return _applications.build(network, image_size, block=BLOCK, weights=weights, num_blocks=num_blocks)
