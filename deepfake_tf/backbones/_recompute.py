"""A network that keeps only what flows between its blocks, and computes the rest again when gradients need it.

Most memory of a training step on long clips is what the backbone keeps for the backward pass; this keeps far less, for
about a third more work (Chen et al. 2016, https://arxiv.org/abs/1604.06174).
"""

import re
from itertools import pairwise
from typing import Any

import keras
from keras import ops


def by_blocks(model: keras.Model, block: str) -> keras.Model:
    """Returns a network with the layers of another, which forgets inside of blocks.

    Values, gradients, statistics and dropout are those of the other network.

    Args:
        model: the network, or one with backbones in it. Where blocks lie inside one layer, that is one step, and less
            is saved.
        block: regular expression that finds a block in the name of a layer.
    """
    cuts = _inputs_of_blocks(model, block)
    if cuts:
        x = keras.Model(model.input, cuts[0]).output
        for begin, end in pairwise([*cuts, model.output]):
            x = Recomputed(keras.Model(begin, end))(x)
        return keras.Model(model.input, x, name=model.name)
    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        return keras.Model(model.input, Recomputed(model)(model.input), name=model.name)

    def call(layer: keras.layers.Layer, *arguments: Any, **options: Any) -> Any:
        if isinstance(layer, keras.Model):
            return by_blocks(layer, block)(*arguments, **options)
        return layer(*arguments, **options)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def _inputs_of_blocks(model: keras.Model, block: str) -> list[keras.KerasTensor]:
    first_layers: dict[tuple[str, ...], keras.layers.Layer] = {}
    for layer in model.layers:
        found = re.search(block, layer.name)
        if found:
            first_layers.setdefault(found.groups(), layer)
    return [layer.input for layer in first_layers.values()]


class Recomputed(keras.layers.Layer):
    """Runs a part of a network, and runs it again in the backward pass.

    Statistics and seeds go in and come out as values: the second run sees those that the first one saw, and its changes
    to them are forgotten. Otherwise batch statistics would move twice, and dropout would be drawn anew.

    Args:
        part: the part of the network.
    """

    def __init__(self, part: keras.Model) -> None:
        super().__init__()
        self.part = part

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Does what the class says."""
        learned, state = self.part.trainable_variables, self.part.non_trainable_variables

        def run(x: Any, *values: Any) -> tuple[Any, ...]:
            now = list(values)
            y, after = self.part.stateless_call(now[: len(learned)], now[len(learned) :], x, training=training)
            return (y, *after)

        y, *after = keras.remat(run)(x, *[ops.convert_to_tensor(one) for one in (*learned, *state)])
        if training:
            for variable, value in zip(state, after, strict=True):
                variable.assign(ops.stop_gradient(value))
        return y

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of what `call` gives."""
        return self.part.compute_output_shape(input_shape)
