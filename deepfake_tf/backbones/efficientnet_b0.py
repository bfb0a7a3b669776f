"""EfficientNet-B0 of keras.applications: the network of many deepfake challenges' winners, in its smallest size.

The library builds one network for weights=None and another one, with a second scaling, for weights="imagenet". Here it
is always the latter, so that a network that is built anew for trained weights is the one that was trained.

Shape letters: B frames, H = W pixels, D features.
"""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from deepfake_tf.backbones import _applications

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Tan and Le 2019, https://arxiv.org/abs/1905.11946; keras.applications"
IMAGE_SIZE = 224
WEIGHTS = _applications.WEIGHTS
BLOCK = r"^(block\d+[a-z])_"
TINY = _applications.TINY

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


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
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 1280 if all blocks are kept.

    Raises:
        ConfigError: the frames are too small, or there are not as many blocks.
        AssetError: the weights are not there.
    """
    return build_network(keras.applications.EfficientNetB0, image_size, weights=weights, num_blocks=num_blocks)


def build_network(
    network: _applications.Network, image_size: int, *, weights: str, num_blocks: int | None
) -> keras.Model:
    """Builds an EfficientNet of any size; arguments, result and errors are those of `build`.

    Args:
        network: a function of keras.applications.
        image_size: see `build`.
        weights: see `build`.
        num_blocks: see `build`.
    """
    model = _applications.build(network, image_size, block=BLOCK, weights=weights, num_blocks=num_blocks)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            # The library's file has the deviation where its layer wants the variance; its second scaling mends that.
            layer.load_own_variables({"0": np.array(MEAN), "1": np.square(DEVIATION), "2": np.array(0)})
    return model
