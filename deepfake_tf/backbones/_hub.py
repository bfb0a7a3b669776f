"""Networks of keras-hub as backbones: found only when asked for, with presets by name or from a folder.

Shape letters: B frames, H = W pixels, N tokens, D features.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deepfake_tf.backbones import _weights
from deepfake_tf.errors import AssetError, ConfigError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def require() -> ModuleType:
    """Imports keras-hub.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import keras_hub
    except ImportError as error:
        raise ConfigError(
            f"This backbone comes from keras-hub, which is not there ({error}). Install it: "
            "pip install 'deepfake-tf[hub]'"
        ) from error
    return keras_hub


def is_there() -> bool:
    """Returns whether keras-hub can be used."""
    try:
        require()
    except ConfigError:
        return False
    return True


def normalise(
    pixels: keras.KerasTensor, mean: Sequence[float], deviation: Sequence[float], input_size: int | None = None
) -> keras.KerasTensor:
    """Returns pixels in [0, 255] as the network was trained on: resized, mean taken off, divided by the deviation.

    Args:
        pixels: [B, H, W, 3].
        mean: of the three colours, for values in [0, 1].
        deviation: of the three colours.
        input_size: H = W that the network wants, that of the pixels if None.
    """
    if input_size not in (None, pixels.shape[1]):
        pixels = BicubicResize(input_size, name="resize")(pixels)
    scale = [1 / (255 * one) for one in deviation]
    offset = [-middle / one for middle, one in zip(mean, deviation, strict=True)]
    return layers.Rescaling(scale, offset=offset, name="scale")(pixels)


def load(
    model: keras.Model,
    weights: str,
    *,
    preset: str,
    take: Callable[[str], None],
    from_torch: Callable[[keras.Model, _weights.State], None],
) -> None:
    """Puts weights into a network.

    Args:
        model: the backbone.
        weights: "none", the name in `preset`, the folder of a preset, or a file.
        preset: the name by which the network's own preset is asked for.
        take: copies the weights of a preset, by name or folder, into the network.
        from_torch: puts a PyTorch state_dict into the network.

    Raises:
        AssetError: the weights are not there, or of another network.
    """
    if weights == preset or Path(weights).expanduser().is_dir():
        take(weights)
    else:
        _weights.load(model, weights, from_torch=from_torch, known=f", {preset!r}, the folder of a preset")


def open_preset(kind: str, preset: str, **options: Any) -> keras.Model:
    """Loads a preset with its weights.

    Args:
        kind: a class of keras_hub.models.
        preset: a name that keras-hub knows, or a folder.
        **options: passed on to `from_preset`.

    Raises:
        AssetError: it is not there and cannot be fetched, or is none of that class.
    """
    try:
        return getattr(require().models, kind).from_preset(str(Path(preset).expanduser()), **options)
    except Exception as error:
        # Whatever it is that the network, Kaggle's client, or a damaged folder raise.
        command = f"import keras_hub; keras_hub.models.{kind}.from_preset({preset!r}).save_to_preset('weights')"
        raise AssetError(
            f"keras-hub cannot load {preset!r}: {' '.join(str(error).split())[:300]}. Where there is a network, run "
            f'python -c "{command}", copy that folder here, and name it as the weights.'
        ) from error


def copy_weights(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    """Copies all weights from one network to another of the same architecture.

    Args:
        source: has the weights.
        target: gets them.

    Raises:
        AssetError: the architectures differ.
    """
    try:
        target.set_weights(source.get_weights())
    except ValueError as error:
        raise AssetError(f"These are the weights of another network than {target.name}: {error}") from error


@keras.saving.register_keras_serializable("deepfake_tf")
class BicubicResize(layers.Layer):
    """Resizes square pictures, as two matrix products: [B, H, H, C] -> [B, S, S, C].

    Keras' own layer uses an operation that XLA does not know, and so cannot be trained through on a GPU.

    Args:
        size: S.
    """

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**options)
        self.size = size

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Works out what each new row takes from each old one."""
        self.shares = bicubic_shares(input_shape[1], self.size)

    def call(self, pixels: Any) -> Any:
        """Does what the class says."""
        shares = ops.convert_to_tensor(self.shares, pixels.dtype)
        return ops.einsum("ih,bhwc,jw->bijc", shares, pixels, shares)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of what `call` gives."""
        return (input_shape[0], self.size, self.size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "size": self.size}


def bicubic_shares(size: int, new_size: int) -> np.ndarray:
    """Returns what each new value takes from each old one; smaller pictures are smoothed first, as Pillow does it.

    Args:
        size: number of old values.
        new_size: number of new values.

    Returns:
        float32 [new_size, size]; each row sums to 1.
    """
    step = size / new_size
    width = max(step, 1.0)
    middles = (np.arange(new_size) + 0.5) * step - 0.5
    distance = np.abs(np.arange(size)[None] - middles[:, None]) / width
    # Keys' cubic with a = -0.5.
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    shares = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    return (shares / shares.sum(axis=1, keepdims=True)).astype("float32")


# Vision transformers -------------------------------------------------------------------------------------------------


def interpolate_positions(positions: np.ndarray, num_positions: int) -> np.ndarray:
    """Returns position embeddings for another number of patches, bicubically interpolated.

    Args:
        positions: float [1 + n, D], that of the class token first, then a square of n patches row by row.
        num_positions: 1 + N of the network that gets them, N a square.

    Returns:
        float [1 + N, D]; the same if nothing changes.
    """
    if len(positions) == num_positions:
        return positions
    side, new_side = round((len(positions) - 1) ** 0.5), round((num_positions - 1) ** 0.5)
    square = positions[1:].reshape(1, side, side, -1).astype("float32")
    resized = ops.image.resize(square, (new_side, new_side), interpolation="bicubic", data_format="channels_last")
    return np.concatenate([positions[:1], ops.convert_to_numpy(resized).reshape(new_side**2, -1)])


def assign_attention(
    attention: keras.layers.MultiHeadAttention, taker: _weights.TorchState, qkv: str | Sequence[str], out: str
) -> None:
    """Puts PyTorch's attention weights into Keras' layer.

    Args:
        attention: the layer.
        taker: has the tensors.
        qkv: name of the module that makes queries, keys and values in this order, or names of the three.
        out: name of the module that joins the heads.
    """
    if isinstance(qkv, str):
        parts = zip(*(np.split(taker.take(f"{qkv}.{what}"), 3) for what in ("weight", "bias")), strict=True)
    else:
        parts = zip(*([taker.take(f"{name}.{what}") for name in qkv] for what in ("weight", "bias")), strict=True)
    dense = (attention.query_dense, attention.key_dense, attention.value_dense)
    for layer, (kernel, bias) in zip(dense, parts, strict=True):
        layer.kernel.assign(kernel.T.reshape(layer.kernel.shape))
        layer.bias.assign(bias.reshape(layer.bias.shape))
    joining = attention.output_dense
    taker.assign_value(joining.kernel, f"{out}.weight", lambda kernel: kernel.T.reshape(joining.kernel.shape))
    taker.assign_value(joining.bias, f"{out}.bias")
