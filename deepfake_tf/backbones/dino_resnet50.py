"""ResNet-50 that learned without labels by DINO: keras-hub's network, filled from the original's PyTorch file.

The file is dino_resnet50_pretrain.pth of facebookresearch/dino. It differs from `resnet50` in its preprocessing, and in
that its 3x3 convolutions do the striding.

Shape letters: B frames, H = W pixels, D features.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import _weights, resnet18

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Caron et al. 2021, https://arxiv.org/abs/2104.14294; network of keras-hub"
IMAGE_SIZE = 224
WEIGHTS = ("none", "file")
BLOCK = resnet18.BLOCK
TINY = resnet18.TINY


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`; there are none to draw."""
    return {}


def build(image_size: int, *, weights: str = "none", num_blocks: Sequence[int] = (3, 4, 6, 3)) -> keras.Model:
    """Builds the network.

    Args:
        image_size: H = W of the frames in pixels; it was trained on 224.
        weights: "none", the original's PyTorch file, or a Keras weights file of this backbone.
        num_blocks: of each stack.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 2048 after four stacks.

    Raises:
        ConfigError: keras-hub is not installed.
        AssetError: the weights are not there, or of another network.
    """
    model, network = resnet18.build_network(image_size, num_blocks, "bottleneck_block", "dino_resnet50")
    _weights.load(model, weights, from_torch=lambda _, state: resnet18.assign_torch(network, state))
    return model
