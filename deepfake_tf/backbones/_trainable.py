"""Which weights of a backbone learn: all, none, the last blocks, the normalisations, or small additions (LoRA).

What does not learn runs as it will be served: a frozen batch normalisation keeps its statistics.
"""

import re
from collections.abc import Iterator

import keras

from deepfake_tf.errors import ConfigError

ALL = "all"
LORA_LAYERS = ("query", "value", "qkv")
_NORMS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
)
_KINDS = re.compile(r"(all|none|norms|(?P<last>last):(?P<blocks>[1-9]\d*)|(?P<lora>lora):(?P<rank>[1-9]\d*))")


def set_trainable(model: keras.Model, trainable: str, block: str) -> None:
    """Decides which weights of a backbone learn.

    Args:
        model: the backbone.
        trainable: "all", "none", "last:2" for the last two blocks and what follows them, "norms" for normalisations
            alone, or "lora:8" for additions of rank 8 to the attention's queries and values (Hu et al. 2021,
            https://arxiv.org/abs/2106.09685).
        block: regular expression that finds a block in the path of a weight; its groups number it.

    Raises:
        ConfigError: it is none of these, or the backbone has not as many blocks, no normalisation or no attention.
    """
    kind = _KINDS.fullmatch(trainable)
    if not kind:
        raise ConfigError(
            "trainable must be 'all', 'none', 'norms', 'last:N' or 'lora:RANK', N and RANK from 1. "
            f"Received: trainable={trainable!r}"
        )
    if trainable == ALL:
        return
    layers = list(_layers_with_weights(model))
    learning: list[keras.layers.Layer] = []
    if kind["last"]:
        learning = _last_blocks(layers, block, int(kind["blocks"]), model.name)
    elif trainable == "norms":
        learning = [layer for layer in layers if isinstance(layer, _NORMS)]
        _require(learning, model, "normalisation")
    for layer in layers:
        layer.trainable = layer in learning
    if kind["lora"]:
        _add_lora(layers, int(kind["rank"]), model)


def _layers_with_weights(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the innermost layers that have weights, in the order of the network."""
    for layer in getattr(model, "layers", []) if isinstance(model, keras.Model) else _inner_layers(model):
        if _own_variables(layer):
            yield layer
        yield from _layers_with_weights(layer)


def _inner_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _last_blocks(layers: list[keras.layers.Layer], block: str, num_blocks: int, name: str) -> list[keras.layers.Layer]:
    starts: dict[tuple[str, ...], int] = {}
    for index, layer in enumerate(layers):
        found = re.search(block, _own_variables(layer)[0].path)
        if found:
            starts.setdefault(found.groups(), index)
    if num_blocks > len(starts):
        raise ConfigError(f"{name} has {len(starts)} blocks. Received: trainable='last:{num_blocks}'")
    return layers[list(starts.values())[-num_blocks] :]


def _add_lora(layers: list[keras.layers.Layer], rank: int, model: keras.Model) -> None:
    chosen = [layer for layer in layers if layer.name in LORA_LAYERS and hasattr(layer, "enable_lora")]
    _require(chosen, model, "attention")
    for layer in chosen:
        layer.trainable = True
        layer.enable_lora(rank)
        # Of such a layer only the addition learns; Keras freezes the kernel and leaves the bias.
        if layer.bias is not None:
            layer.bias.trainable = False


def _require(found: list[keras.layers.Layer], model: keras.Model, what: str) -> None:
    if not found:
        raise ConfigError(f"{model.name} has no {what} to train. Choose another value of trainable.")
