"""CoAtNet-0 as the field's articles train it: convolutions at first, attention with relative positions later.

The numbers are those of chinhsuanwu/coatnet-pytorch, which the articles copied, and not of the paper, whose networks
are larger (Dai et al. 2021, https://arxiv.org/abs/2106.04803). With 1000 classes CoAtNet-0 has 17,789,624 trainable
parameters. The articles' 17,757,760 is the same network without its relative-bias tables: torchsummary, which counted
them, only sees parameters called weight or bias.

    stem s0     3x3 convolutions                                   1/2 of the picture
    s1 .. s4    one letter each of `layout`: C MBConv, T attention  1/4, 1/8, 1/16, 1/32
    mean over the picture, and a linear layer if there are classes

Shape letters: B frames, H = W pixels or cells, N = H * W cells, C channels, D features.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers, ops

from deepfake_tf.backbones import _weights
from deepfake_tf.errors import ConfigError

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Dai et al. 2021 in the form of chinhsuanwu/coatnet-pytorch"
IMAGE_SIZE = 224
WEIGHTS = ("none", "file")
BLOCK = r"s(\d)_(\d+)"
TINY: dict[str, Any] = {"depths": [1, 1, 1, 1, 1], "channels": [4, 4, 8, 8, 12]}

DEPTHS = (2, 2, 3, 5, 2)
CHANNELS = (64, 96, 192, 384, 768)
NUM_HEADS = 8
HEAD_WIDTH = 32
# PyTorch's; Keras' own are 1e-3 and 0.99.
EPSILON = 1e-5
BATCH_MOMENTUM = 0.9


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`, drawn by Keras Tuner."""
    return {"layout": hp.Choice("layout", ["CCTT", "CCCT", "CTTT", "CCCC"])}


def build(
    image_size: int,
    *,
    layout: str = "CCTT",
    depths: Sequence[int] = DEPTHS,
    channels: Sequence[int] = CHANNELS,
    num_classes: int = 0,
    weights: str = "none",
) -> keras.Model:
    """Builds the network.

    Args:
        image_size: H = W of the frames in pixels, a multiple of 32, 64 or more.
        layout: C (MBConv) or T (attention) for each of the stages 1 to 4.
        depths: blocks of the stages 0 to 4.
        channels: of the stages 0 to 4.
        num_classes: adds the original's linear layer; 0 ends with the features.
        weights: "none", a PyTorch state_dict file of the original, or a Keras weights file. Their bias tables are
            interpolated if they come from another image size.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, channels[-1]], or class logits [B, num_classes].

    Raises:
        ConfigError: the settings make no such network.
        AssetError: the weights are not there, or of another network.
    """
    _check(image_size, layout, depths, channels)
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(pixels)
    blocks = [_stem_block, *(_mbconv_block if letter == "C" else _attention_block for letter in layout)]
    for stage, (block, depth, width) in enumerate(zip(blocks, depths, channels, strict=True)):
        for number in range(depth):
            x = block(x, width, number == 0, f"s{stage}_{number}")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    if num_classes:
        x = layers.Dense(num_classes, use_bias=False, name="classes")(x)
    model = keras.Model(pixels, x, name="coatnet")
    _weights.load(model, weights, from_torch=assign_torch)
    return model


def _check(image_size: int, layout: str, depths: Sequence[int], channels: Sequence[int]) -> None:
    # At 32 pixels the last stage would have one cell, which attends to itself.
    if image_size < 64 or image_size % 32:
        raise ConfigError(
            f"CoAtNet needs frames of a multiple of 32 pixels, 64 or more. Received: image_size={image_size}"
        )
    if len(layout) != 4 or set(layout) - set("CT"):
        raise ConfigError(f"layout must be four letters C or T, such as 'CCTT'. Received: layout={layout!r}")
    if len(depths) != 5 or len(channels) != 5 or min(*depths, *channels) < 1:
        raise ConfigError(
            f"depths and channels must be five numbers above 0. Received: depths={list(depths)}, "
            f"channels={list(channels)}"
        )


# Blocks: (x, channels out, whether to halve the picture, name) -> x --------------------------------------------------


def _stem_block(x: keras.KerasTensor, width: int, halve: bool, name: str) -> keras.KerasTensor:
    # Padded by hand: "same" at stride 2 pads only after the picture, PyTorch pads before it.
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    x = layers.Conv2D(width, 3, strides=2 if halve else 1, use_bias=False, name=f"{name}_conv")(x)
    return _gelu(_batch_norm(x, f"{name}_norm"), f"{name}_gelu")


def _mbconv_block(x: keras.KerasTensor, width: int, halve: bool, name: str) -> keras.KerasTensor:
    """Inverted bottleneck with squeeze and excitation; both widths are relative to the channels that come in."""
    inner = 4 * x.shape[-1]
    squeezed = x.shape[-1] // 4
    y = _batch_norm(x, f"{name}_norm")
    y = layers.Conv2D(inner, 1, strides=2 if halve else 1, use_bias=False, name=f"{name}_expand")(y)
    y = _gelu(_batch_norm(y, f"{name}_expand_norm"), f"{name}_expand_gelu")
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(y)
    y = _gelu(_batch_norm(y, f"{name}_depthwise_norm"), f"{name}_depthwise_gelu")

    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze_mean")(y)
    gate = layers.Dense(squeezed, use_bias=False, name=f"{name}_squeeze")(gate)
    gate = layers.Dense(inner, use_bias=False, name=f"{name}_excite")(_gelu(gate, f"{name}_squeeze_gelu"))
    y = layers.Multiply(name=f"{name}_gate")([y, layers.Activation("sigmoid", name=f"{name}_excite_sigmoid")(gate)])

    y = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_project")(y)
    y = _batch_norm(y, f"{name}_project_norm")
    if halve:
        x = _max_pool(x, f"{name}_pool")
        x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_shortcut")(x)
    return layers.Add(name=f"{name}_add")([x, y])


def _attention_block(x: keras.KerasTensor, width: int, halve: bool, name: str) -> keras.KerasTensor:
    """Attention over all cells, then two dense layers whose width is relative to the channels that come in."""
    inner = 4 * x.shape[-1]
    if halve:
        x = _max_pool(x, f"{name}_pool")
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_attention_norm")(x)
    y = RelativeAttention(width, name=f"{name}_attention")(y)
    if halve:
        x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_shortcut")(x)
    x = layers.Add(name=f"{name}_attention_add")([x, y])
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_dense_norm")(x)
    y = _gelu(layers.Dense(inner, name=f"{name}_dense_in")(y), f"{name}_dense_gelu")
    y = layers.Dense(width, name=f"{name}_dense_out")(y)
    return layers.Add(name=f"{name}_add")([x, y])


def _batch_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=BATCH_MOMENTUM, epsilon=EPSILON, name=name)(x)


def _gelu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.Activation(keras.activations.gelu, name=name)(x)


def _max_pool(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    # Values are negative in places, so that a border of zeros would win.
    x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-float("inf"))
    return layers.MaxPooling2D(3, strides=2, name=name)(x)


@keras.saving.register_keras_serializable("deepfake_tf")
class RelativeAttention(layers.Layer):
    """Attention over the cells of a map with a learned bias for each offset of two cells.

    Cells [B, H, W, C] -> [B, H, W, `width`]. The bias table is a row for each of (2H-1)(2W-1) offsets; one that was
    saved at another H, W is interpolated when it is loaded.

    Args:
        width: channels out.
    """

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.width = width
        self.to_qkv = layers.Dense(3 * NUM_HEADS * HEAD_WIDTH, use_bias=False, dtype=self.dtype_policy, name="qkv")
        self.to_out = layers.Dense(width, dtype=self.dtype_policy, name="out")

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Makes the weights."""
        _, height, width, channels = input_shape
        self.to_qkv.build((None, None, channels))
        self.to_out.build((None, None, NUM_HEADS * HEAD_WIDTH))
        self.num_offsets = (2 * height - 1, 2 * width - 1)
        self.bias_table = self.add_weight(
            shape=(self.num_offsets[0] * self.num_offsets[1], NUM_HEADS),
            initializer="zeros",
            autocast=False,
            name="bias_table",
        )

    def call(self, x: Any) -> Any:
        """Does what the class says."""
        _, height, width, channels = x.shape
        num_cells = height * width
        qkv = ops.reshape(self.to_qkv(x), (-1, num_cells, 3, NUM_HEADS, HEAD_WIDTH))
        query, key, value = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3, axis=0)
        similarity = ops.matmul(query * HEAD_WIDTH**-0.5, ops.swapaxes(key, -1, -2))
        # The softmax sums over all cells: the mantissa of bfloat16 is too short for that.
        similarity = ops.cast(similarity, self.variable_dtype) + relative_bias(self.bias_table, height, width)
        attention = ops.cast(ops.softmax(similarity, axis=-1), self.compute_dtype)
        mixed = ops.transpose(ops.matmul(attention, value), (0, 2, 1, 3))
        return self.to_out(ops.reshape(mixed, (-1, height, width, NUM_HEADS * HEAD_WIDTH)))

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of what `call` gives."""
        return (*input_shape[:-1], self.width)

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Loads the bias table, of whatever size."""
        self.bias_table.assign(interpolate_table(np.asarray(store["0"]), self.num_offsets))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "width": self.width}


def relative_bias(table: Any, height: int, width: int) -> Any:
    """Returns the bias for each pair of cells.

    Made of slices: picking rows by index costs more than the attention itself in the backward pass, which then adds up
    N * N rows.

    Args:
        table: [(2H-1)(2W-1), heads], a row for each offset.
        height: H.
        width: W.

    Returns:
        [heads, N, N]: for query i and key j, both row by row, row (yi - yj + H - 1)(2W - 1) + (xi - xj + W - 1).
    """
    square = ops.reshape(table, (2 * height - 1, 2 * width - 1, -1))
    by_row = _differences(square, height, 0)
    by_cell = _differences(by_row, width, 2)
    # Now [query row, key row, query column, key column, heads].
    pairs = ops.transpose(by_cell, (4, 0, 2, 1, 3))
    return ops.reshape(pairs, (-1, height * width, height * width))


def _differences(values: Any, size: int, axis: int) -> Any:
    """Replaces an axis of 2n - 1 differences i - j by two, i and j of n each."""
    backwards = ops.flip(values, axis=axis)
    before = (slice(None),) * axis
    windows = [backwards[(*before, slice(size - 1 - one, 2 * size - 1 - one))] for one in range(size)]
    return ops.stack(windows, axis=axis)


def interpolate_table(table: np.ndarray, num_offsets: tuple[int, int]) -> np.ndarray:
    """Returns a bias table for another number of cells, bicubically interpolated.

    Args:
        table: float [(2H-1)^2, heads] of a square map.
        num_offsets: 2H'-1 and 2W'-1 of the map that it shall serve.

    Returns:
        float [(2H'-1)(2W'-1), heads]; the same table if nothing changes.
    """
    if len(table) == num_offsets[0] * num_offsets[1]:
        return table
    side = round(len(table) ** 0.5)
    square = table.reshape(1, side, side, -1).astype("float32")
    resized = ops.image.resize(square, num_offsets, interpolation="bicubic", data_format="channels_last")
    return np.asarray(ops.convert_to_numpy(resized)).reshape(num_offsets[0] * num_offsets[1], -1)


# Weights of the original ---------------------------------------------------------------------------------------------


_STEM = {"conv": "0", "norm": "1"}
_MBCONV = {
    "norm": "conv.norm",
    "expand": "conv.fn.0",
    "expand_norm": "conv.fn.1",
    "depthwise": "conv.fn.3",
    "depthwise_norm": "conv.fn.4",
    "squeeze": "conv.fn.6.fc.0",
    "excite": "conv.fn.6.fc.2",
    "project": "conv.fn.7",
    "project_norm": "conv.fn.8",
    "shortcut": "proj",
}
_ATTENTION = {
    "attention_norm": "attn.1.norm",
    "dense_norm": "ff.1.norm",
    "dense_in": "ff.1.fn.net.0",
    "dense_out": "ff.1.fn.net.3",
    "shortcut": "proj",
}


def assign_torch(model: keras.Model, state: Mapping[str, np.ndarray]) -> None:
    """Puts the original's weights into the network.

    Args:
        model: what `build` returned.
        state: the original's state_dict; that of a `DataParallel` is fine, and its classes are left over if the
            network has none.

    Raises:
        AssetError: a weight is missing, left over, or of another shape.
    """
    taker = _weights.TorchState(state)
    for layer in model.layers:
        stage, _, rest = layer.name.partition("_")
        number, _, part = rest.partition("_")
        prefix = f"{stage}.{number}"
        if layer.name == "classes":
            taker.assign(layer, "fc")
        elif isinstance(layer, RelativeAttention):
            inner = f"{prefix}.attn.1.fn"
            taker.assign(layer.to_qkv, f"{inner}.to_qkv")
            taker.assign(layer.to_out, f"{inner}.to_out.0")
            resize = functools.partial(interpolate_table, num_offsets=layer.num_offsets)
            taker.assign_value(layer.bias_table, f"{inner}.relative_bias_table", resize)
        elif layer.weights:
            taker.assign(layer, f"{prefix}.{(_STEM if stage == 's0' else _MBCONV | _ATTENTION)[part]}")
    taker.finish(may_be_left=("relative_index", "fc.weight"))
