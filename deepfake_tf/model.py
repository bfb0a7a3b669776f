"""A backbone over each frame, a head over time, and one logit.

Shape letters: B clips, T frames, H = W pixels, D features.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from deepfake_tf import plugins
from deepfake_tf.backbones import _compose, _recompute
from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import ModelSettings


def build_model(settings: ModelSettings, *, initial_weights: bool = True, precision: str = "float32") -> keras.Model:
    """Builds a network, with new weights but for those that its backbone starts from.

    Args:
        settings: which backbone, which head, and how large.
        initial_weights: load the weights that the backbone starts from. A network that gets all its weights afterwards
            needs them not, and they may no longer be there.
        precision: in which the backbone calculates: "float32", "mixed_bfloat16" or "mixed_float16". Weights, head and
            logit are float32 always.

    Returns:
        {"clips": uint8 or float [B, T, H, W, 3] in [0, 255] RGB, "mask": bool [B, T]} -> logit float32 [B], above 0
        for fake.

    Raises:
        ConfigError: a plugin does not know one of its settings, or refuses it.
        AssetError: the weights that the backbone starts from are not there.
    """
    size, frames = settings.image_size, settings.num_frames
    chosen = settings.backbone_settings
    chosen = chosen if initial_weights else _compose.without_weights(settings.backbone, chosen)
    with _policy(precision):
        backbone = _compose.build(settings.backbone, size, chosen)
    head = _build_head(settings, backbone.output_shape[-1])

    # A float input takes uint8 as well and casts it inside; a uint8 input would cut the fractions off floats.
    clips = keras.Input((frames, size, size, 3), name="clips")
    mask = keras.Input((frames,), dtype="bool", name="mask")
    # Folded by reshape: TimeDistributed loops over the batch in graph mode and then sees one frame only at B = 1.
    features = backbone(keras.ops.reshape(clips, (-1, size, size, 3)))
    features = keras.ops.cast(keras.ops.reshape(features, (-1, frames, features.shape[-1])), "float32")
    x = keras.layers.Dropout(settings.dropout, name="dropout")(head([features, mask]))
    logit = keras.ops.squeeze(keras.layers.Dense(1, dtype="float32", name="logit")(x), axis=-1)
    return keras.Model(
        {"clips": clips, "mask": mask}, logit, name=f"{settings.backbone.replace('+', '_and_')}_{settings.head}"
    )


def recompute_blocks(model: keras.Model, settings: ModelSettings) -> keras.Model:
    """Returns a model that learns with the weights of another, and needs less memory for it.

    Args:
        model: what `build_model` returned.
        settings: those that it was built from.
    """
    blocks = [plugins.load("backbones", name).BLOCK for name in settings.backbone.split("+")]
    backbone = next(layer for layer in model.layers if isinstance(layer, keras.Model))

    def call(layer: keras.layers.Layer, *arguments: Any, **options: Any) -> Any:
        layer = _recompute.by_blocks(layer, "|".join(blocks)) if layer is backbone else layer
        return layer(*arguments, **options)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    """Layers that are made inside calculate so; Keras knows only one policy at a time."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _build_head(settings: ModelSettings, width: int) -> keras.Model:
    try:
        return plugins.load("heads", settings.head).build(settings.num_frames, width, **settings.head_settings)
    except TypeError as error:
        raise ConfigError(
            f"{settings.head} in heads does not take these settings: {dict(settings.head_settings)} ({error})."
        ) from error
