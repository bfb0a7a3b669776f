"""A backbone that keeps still while the head learns.

Its weights do not change, and nor do its statistics: it works as it will when it is served, without dropout.
"""

from typing import Any

import keras


def backbone_of(model: keras.Model) -> keras.Model:
    """Returns the backbone of a network that `build_model` made."""
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def with_still_backbone(model: keras.Model) -> keras.Model:
    """Returns a model with the same weights whose backbone keeps still while the rest trains.

    Args:
        model: what `build_model` returned.
    """
    backbone = backbone_of(model)

    def call(layer: keras.layers.Layer, *arguments: Any, **options: Any) -> Any:
        layer = _Still(layer, name="still_backbone") if layer is backbone else layer
        return layer(*arguments, **options)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


class _Still(keras.layers.Layer):
    """Calls a layer as in inference. Said within a call, because a model tells `training` to all layers inside."""

    def __init__(self, layer: keras.layers.Layer, **options: Any) -> None:
        super().__init__(**options)
        self.inner = layer

    def call(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """Returns what the layer gives when it is not trained."""
        return self.inner(inputs, training=False)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns that of the layer."""
        return self.inner.compute_output_shape(input_shape)
