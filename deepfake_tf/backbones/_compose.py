"""A backbone by its name and its settings: one plugin, or several side by side.

Shape letters: B frames, H = W pixels, D features.
"""

from collections.abc import Mapping
from typing import Any

import keras

from deepfake_tf import plugins
from deepfake_tf.backbones import _trainable
from deepfake_tf.errors import ConfigError

JOIN = "+"


def build(name: str, image_size: int, settings: Mapping[str, Any]) -> keras.Model:
    """Builds a backbone.

    Args:
        name: of a plugin, or names joined by "+": their features are put one after the other.
        image_size: H = W of the frames in pixels.
        settings: keyword arguments of the plugin's `build`, and "trainable" (see `_trainable.set_trainable`). For
            several plugins: the settings of each, by its name.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D].

    Raises:
        ConfigError: a plugin does not know a setting, or refuses it.
        AssetError: weights that were asked for are not there.
    """
    names = name.split(JOIN)
    if len(names) == 1:
        return _build_one(name, image_size, settings)
    unknown = sorted(set(settings) - set(names))
    if unknown:
        raise ConfigError(
            f"The settings of {name} are given for each: {{{', '.join(f'{one!r}: {{...}}' for one in names)}}}. "
            f"Received settings for {', '.join(unknown)}."
        )
    parts = [_build_one(one, image_size, settings.get(one, {})) for one in names]
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    features = keras.layers.Concatenate(name="join")([part(pixels) for part in parts])
    return keras.Model(pixels, features, name="_and_".join(names))


def without_weights(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of the same network with new weights, for one that gets all its weights afterwards.

    Args:
        name: see `build`.
        settings: see `build`.
    """
    if JOIN in name:
        return {one: without_weights(one, settings.get(one, {})) for one in name.split(JOIN)}
    return {key: value for key, value in settings.items() if key != "weights"}


def _build_one(name: str, image_size: int, settings: Mapping[str, Any]) -> keras.Model:
    plugin = plugins.load("backbones", name)
    own = {key: value for key, value in settings.items() if key != "trainable"}
    try:
        model = plugin.build(image_size, **own)
    except TypeError as error:
        raise ConfigError(f"{name} in backbones does not take these settings: {dict(settings)} ({error}).") from error
    _trainable.set_trainable(model, settings.get("trainable", _trainable.ALL), plugin.BLOCK)
    return model
