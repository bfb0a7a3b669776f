"""What there is to build networks of: every backbone and head, counted.

A multiply-accumulate (MAC) is one step of a convolution or a matrix product; a network's time goes mostly there.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import tensorflow as tf

from deepfake_tf import plugins
from deepfake_tf.backbones import _compose
from deepfake_tf.errors import ConfigError

KINDS = ("backbones", "heads")


@dataclass(frozen=True)
class Part:
    """One plugin that networks are made of.

    Attributes:
        kind: "backbones" or "heads".
        name: its file's name.
        image_size: H = W in pixels at which a backbone was counted; None for a head.
        num_parameters: all its weights, trainable or not, with default settings.
        num_macs: for one frame of a backbone, for one clip of a head.
        width: D, features it gives.
        weights: what can be asked for as its `weights`.
        source: where it comes from.
    """

    kind: str
    name: str
    image_size: int | None
    num_parameters: int
    num_macs: int
    width: int
    weights: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class LayerLine:
    """One layer of a network.

    Attributes:
        depth: in how many networks inside of the network it lies.
        name: its name.
        kind: its class's name.
        shape: of what it gives for one example, None where it is not known.
        num_parameters: all its weights, trainable or not.
    """

    depth: int
    name: str
    kind: str
    shape: tuple[int | None, ...] | None
    num_parameters: int


def list_parts(*, image_size: int | None = None, num_frames: int, width: int) -> Iterator[Part | ConfigError]:
    """Builds every backbone and every head once, with default settings.

    Args:
        image_size: H = W of the crops in pixels; the one that each backbone was made for if None.
        num_frames: T.
        width: D, of the features that heads are given.

    Yields:
        Backbones, then heads, each by name; the error of one that cannot be built here.
    """
    for name in plugins.names("backbones"):
        try:
            yield describe_backbone(name, image_size)
        except ConfigError as error:
            yield error
    for name in plugins.names("heads"):
        yield describe_head(name, num_frames, width)


def describe_backbone(name: str, image_size: int | None = None) -> Part:
    """Builds a backbone with default settings, and counts it.

    Args:
        name: its file's name.
        image_size: H = W in pixels; the one that it was made for if None.

    Raises:
        ConfigError: it refuses the size, or needs a package that is not there.
    """
    plugin = plugins.load("backbones", name)
    size = image_size or plugin.IMAGE_SIZE
    model = _compose.build(name, size, {})
    return _describe("backbones", name, model, size)


def describe_head(name: str, num_frames: int, width: int) -> Part:
    """Builds a head with default settings, and counts it.

    Args:
        name: its file's name.
        num_frames: T.
        width: D, of the features that it is given.
    """
    return _describe("heads", name, plugins.load("heads", name).build(num_frames, width), None)


def build_part(name: str, *, image_size: int | None, num_frames: int, width: int) -> keras.Model:
    """Builds the plugin of that name with default settings.

    Args:
        name: of a backbone (several joined by "+" too) or of a head.
        image_size: H = W in pixels for a backbone; the one that it was made for if None.
        num_frames: T for a head.
        width: D for a head.

    Raises:
        ConfigError: there is no such plugin, or it refuses the size.
    """
    if name in plugins.names("heads"):
        return plugins.load("heads", name).build(num_frames, width)
    first = plugins.load("backbones", name.split(_compose.JOIN)[0])
    return _compose.build(name, image_size or first.IMAGE_SIZE, {})


def list_layers(model: keras.Model, depth: int = 0) -> Iterator[LayerLine]:
    """Yields every layer in the order of the network, those of a network inside of it after its own line.

    Args:
        model: the network.
        depth: of its layers.
    """
    for layer in model.layers:
        tensors = keras.tree.flatten(getattr(layer, "output", None))
        shape = tuple(tensors[0].shape[1:]) if len(tensors) == 1 and tensors[0] is not None else None
        yield LayerLine(depth, layer.name, type(layer).__name__, shape, layer.count_params())
        if isinstance(layer, keras.Model):
            yield from list_layers(layer, depth + 1)


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """Returns how many numbers a network's weights are, and how many of them learn.

    Args:
        model: the network.
    """
    return model.count_params(), sum(math.prod(one.shape) for one in model.trainable_variables)


def _describe(kind: str, name: str, model: keras.Model, image_size: int | None) -> Part:
    plugin = plugins.load(kind, name)
    return Part(
        kind=kind,
        name=name,
        image_size=image_size,
        num_parameters=model.count_params(),
        num_macs=count_macs(model),
        width=model.output_shape[-1],
        weights=getattr(plugin, "WEIGHTS", ("none",)),
        source=plugin.SOURCE,
    )


# Counting -------------------------------------------------------------------------------------------------------------


def count_macs(model: keras.Model) -> int:
    """Counts the multiply-accumulates of convolutions and matrix products for one example.

    Args:
        model: its recurrent layers are made to unroll, so use a model that is not needed afterwards.
    """
    for layer in model.layers:
        for one in (layer, getattr(layer, "forward_layer", None), getattr(layer, "backward_layer", None)):
            if isinstance(one, keras.layers.RNN):
                # A loop's body would be in another graph, and counted once.
                one.unroll = True
    inputs = [tf.TensorSpec((1, *one.shape[1:]), one.dtype) for one in model.inputs]
    graph = tf.function(lambda *values: model(list(values) if len(values) > 1 else values[0])).get_concrete_function(
        *inputs
    )
    return sum(_macs_of(operation) for operation in graph.graph.get_operations())


def _macs_of(operation: tf.Operation) -> int:
    if operation.type not in ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2", "Einsum"):
        return 0
    shapes = [tuple(one.shape) for one in operation.inputs]
    out = math.prod(operation.outputs[0].shape)
    if operation.type == "DepthwiseConv2dNative":
        return out * math.prod(shapes[1][:2])
    if operation.type.startswith("Conv"):
        return out * math.prod(shapes[1][:-1])
    if operation.type == "Einsum":
        letters = operation.get_attr("equation").decode().partition("->")[0].split(",")
        sizes = {
            letter: size
            for part, shape in zip(letters, shapes, strict=True)
            for letter, size in zip(part, shape, strict=True)
        }
        return math.prod(sizes.values())
    flipped = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
    return out * shapes[0][-2 if flipped else -1]
