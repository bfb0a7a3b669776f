"""Networks of keras.applications as backbones: the library's own preprocessing, weights and layers, cut where asked.

Shape letters: B frames, H = W pixels, D features.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from deepfake_tf.backbones import _weights
from deepfake_tf.errors import AssetError, ConfigError

IMAGENET = "imagenet"
WEIGHTS = ("none", IMAGENET, "file")
TINY: dict[str, Any] = {"num_blocks": 1}
MOMENTUM = 0.9
"""Of batch normalisation in a network that begins from nothing. With the library's 0.99 or 0.999 what evaluation uses
takes some 500 or 5,000 steps to settle, and until then a network that has learned looks as if it had not."""

Network = Callable[..., keras.Model]


def build(
    network: Network,
    image_size: int,
    *,
    block: str,
    scale: Callable[[keras.KerasTensor], keras.KerasTensor] | None = None,
    weights: str = "none",
    num_blocks: int | None = None,
) -> keras.Model:
    """Builds a network without its classes.

    Args:
        network: a function of keras.applications.
        image_size: H = W of the frames in pixels.
        block: regular expression; what its group finds in a layer's name is the block that the layer belongs to.
        scale: the library's preprocessing, where the network has it not inside.
        weights: "none", "imagenet", or a Keras weights file of this very backbone.
        num_blocks: how many blocks are kept, all if None. Early blocks see texture, late ones objects.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], the mean over the picture.

    Raises:
        ConfigError: the network refuses the image size, or has not as many blocks.
        AssetError: the weights are not there.
    """
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    shape = (image_size, image_size, 3)
    whole = _call(network, weights=None, input_shape=shape, input_tensor=scale(pixels) if scale else pixels)
    whole = _without_groups(whole)
    if weights == IMAGENET:
        _copy_weights(_with_imagenet(network), whole)
    features = _features_after(whole, block, num_blocks)
    if weights == "none":
        _remember_less(whole)
    # One input, not a list of one, or Keras warns of every call.
    model = keras.Model(whole.inputs[0], features, name=whole.name)
    if weights != IMAGENET:
        _weights.load(model, weights, known=", 'imagenet'")
    return model


def _call(network: Network, **options: Any) -> keras.Model:
    try:
        return network(include_top=False, pooling="avg", **options)
    except ValueError as error:
        raise ConfigError(f"{network.__name__} cannot be built: {' '.join(str(error).split())}") from error


def _without_groups(model: keras.Model) -> keras.Model:
    """Replaces convolutions of one channel each, which TensorFlow runs through XLA and which so cannot be served."""

    def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not _is_depthwise(layer):
            return layer
        return keras.layers.DepthwiseConv2D(
            layer.kernel_size,
            padding=layer.padding,
            depthwise_initializer=layer.kernel_initializer,
            name=layer.name,
        )

    if not any(_is_depthwise(layer) for layer in model.layers):
        return model
    return keras.models.clone_model(model, clone_function=replace)


def _remember_less(model: keras.Model) -> None:
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, MOMENTUM)


def _is_depthwise(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Conv2D) and layer.groups == layer.filters > 1


def _with_imagenet(network: Network) -> keras.Model:
    try:
        # At any other size some of the networks warn; the weights are the same.
        return network(include_top=False, pooling="avg", weights=IMAGENET, input_shape=(224, 224, 3))
    except Exception as error:
        # Keras raises a bare Exception that ends in the address.
        found = re.search(r"https?://\S+", str(error))
        if not found:
            raise
        url = found.group().rstrip(":")
        place = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / url.rpartition("/")[2]
        raise AssetError(
            f"The ImageNet weights of {network.__name__} are not on this machine and cannot be fetched. "
            f"Where there is a network, download {url} and put it at {place}."
        ) from error


def _copy_weights(source: keras.Model, target: keras.Model) -> None:
    # By order: two builds of one network differ in the names that Keras makes up.
    for one, other in zip(_with_weights(source), _with_weights(target), strict=True):
        # A depth-wise kernel is [H, W, 1, C] in one layer and [H, W, C, 1] in the other.
        other.set_weights(
            [value.reshape(variable.shape) for value, variable in zip(one.get_weights(), other.weights, strict=True)]
        )


def _with_weights(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if layer.weights]


def _features_after(whole: keras.Model, block: str, num_blocks: int | None) -> keras.KerasTensor:
    if num_blocks is None:
        return whole.output
    first_layers: dict[str, keras.layers.Layer] = {}
    for layer in whole.layers:
        found = re.search(block, layer.name)
        if found:
            first_layers.setdefault(found.group(1), layer)
    starts = list(first_layers.values())
    if not 1 <= num_blocks < len(starts):
        raise ConfigError(
            f"num_blocks must be 1 to {len(starts) - 1}, or None for all. Received: num_blocks={num_blocks}"
        )
    # What goes into the next block is what the kept ones give.
    return keras.layers.GlobalAveragePooling2D(name="mean")(starts[num_blocks].input)
