"""ResNet-18 of keras-hub, which is torchvision's: files of either can be loaded.

Shape letters: B frames, H = W pixels, D features.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import _hub, _weights

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "He et al. 2015, https://arxiv.org/abs/1512.03385; keras-hub"
IMAGE_SIZE = 224
IMAGENET = "imagenet"
WEIGHTS = ("none", IMAGENET, "folder", "file")
BLOCK = r"stack(\d)_block(\d+)"
TINY: dict[str, Any] = {"num_blocks": [1]}


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`; there are none to draw."""
    return {}


def build(image_size: int, *, weights: str = "none", num_blocks: Sequence[int] = (2, 2, 2, 2)) -> keras.Model:
    """Builds the network.

    Args:
        image_size: H = W of the frames in pixels.
        weights: "none", "imagenet", the folder of a keras-hub preset, a PyTorch state_dict file of torchvision, or a
            Keras weights file of this backbone.
        num_blocks: of each stack; a stack has twice the channels of the one before, on a quarter of the cells.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 512 after four stacks.

    Raises:
        ConfigError: keras-hub is not installed.
        AssetError: the weights are not there, or of another network.
    """
    model, network = build_network(image_size, num_blocks, "basic_block", "resnet18")

    def take(preset: str) -> None:
        name = "resnet_18_imagenet" if preset == IMAGENET else preset
        _hub.copy_weights(_hub.open_preset("ResNetBackbone", name), network)

    _hub.load(model, weights, preset=IMAGENET, take=take, from_torch=lambda _, state: assign_torch(network, state))
    return model


def build_network(
    image_size: int, num_blocks: Sequence[int], block_type: str, name: str
) -> tuple[keras.Model, keras.Model]:
    """Builds a residual network of any depth with torchvision's preprocessing.

    Args:
        image_size: H = W of the frames in pixels.
        num_blocks: of each stack.
        block_type: "basic_block" of two convolutions, or "bottleneck_block" of three.
        name: of the backbone.

    Returns:
        The backbone, pixels -> features, and keras-hub's network in it, which has all the weights.
    """
    network = _hub.require().models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64 * 2**stack for stack in range(len(num_blocks))],
        stackwise_num_blocks=list(num_blocks),
        stackwise_num_strides=[1 if stack == 0 else 2 for stack in range(len(num_blocks))],
        block_type=block_type,
        image_shape=(image_size, image_size, 3),
        name=f"{name}_network",
    )
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = network(_hub.normalise(pixels, _hub.IMAGENET_MEAN, _hub.IMAGENET_DEVIATION))
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(pixels, x, name=name), network


def assign_torch(network: keras.Model, state: _weights.State) -> None:
    """Puts torchvision's weights into keras-hub's network.

    Args:
        network: what `build_network` returned second.
        state: a state_dict; its classes are left over.

    Raises:
        AssetError: a weight is missing, left over, or of another shape.
    """
    taker = _weights.TorchState(state)
    for layer in network.layers:
        if layer.weights:
            taker.assign(layer, _torch_name(layer.name))
    taker.finish(may_be_left=("fc.weight", "fc.bias"))


def _torch_name(name: str) -> str:
    found = re.fullmatch(r"stack(\d)_block(\d+)_(\d)_(conv|bn)", name)
    if not found:
        return name.replace("conv1_conv", "conv1").replace("conv1_bn", "bn1")
    stack, block, number, kind = found.groups()
    if number == "0":
        return f"layer{int(stack) + 1}.{block}.downsample.{0 if kind == 'conv' else 1}"
    return f"layer{int(stack) + 1}.{block}.{kind}{number}"
