"""ResNet-50 of keras.applications, with that library's preprocessing: ImageNet's mean taken off, blue first.

Shape letters: B frames, H = W pixels, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import _applications

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "He et al. 2015, https://arxiv.org/abs/1512.03385; keras.applications"
IMAGE_SIZE = 224
WEIGHTS = _applications.WEIGHTS
BLOCK = r"^(conv\d_block\d+)_"
TINY = _applications.TINY

MEAN_RGB = (123.68, 116.779, 103.939)


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
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 2048 if all blocks are kept.

    Raises:
        ConfigError: the frames are too small, or there are not as many blocks.
        AssetError: the weights are not there.
    """
    network = keras.applications.ResNet50
    return _applications.build(network, image_size, block=BLOCK, scale=_scale, weights=weights, num_blocks=num_blocks)


def _scale(pixels: keras.KerasTensor) -> keras.KerasTensor:
    centred = keras.layers.Rescaling(1.0, offset=[-value for value in MEAN_RGB], name="scale")(pixels)
    return keras.ops.flip(centred, axis=-1)
