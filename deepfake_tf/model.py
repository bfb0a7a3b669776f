"""A backbone over each frame, a head over time, and one logit.

Shape letters: B clips, T frames, H = W pixels, D features.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError
from deepfake_tf.settings import ModelSettings


def build_model(settings: ModelSettings) -> keras.Model:
    """Builds a network with new weights.

    Args:
        settings: which backbone, which head, and how large.

    Returns:
        {"clips": uint8 or float [B, T, H, W, 3] in [0, 255] RGB, "mask": bool [B, T]} -> logit float32 [B], above 0
        for fake.

    Raises:
        ConfigError: a plugin does not know one of its settings, or refuses it.
    """
    size, frames = settings.image_size, settings.num_frames
    backbone = _build_part("backbones", settings.backbone, (size,), settings.backbone_settings)
    head = _build_part("heads", settings.head, (frames, backbone.output_shape[-1]), settings.head_settings)

    # A float input takes uint8 as well and casts it inside; a uint8 input would cut the fractions off floats.
    clips = keras.Input((frames, size, size, 3), name="clips")
    mask = keras.Input((frames,), dtype="bool", name="mask")
    # Folded by reshape: TimeDistributed loops over the batch in graph mode and then sees one frame only at B = 1.
    features = backbone(keras.ops.reshape(clips, (-1, size, size, 3)))
    features = keras.ops.reshape(features, (-1, frames, features.shape[-1]))
    x = keras.layers.Dropout(settings.dropout, name="dropout")(head([features, mask]))
    logit = keras.ops.squeeze(keras.layers.Dense(1, dtype="float32", name="logit")(x), axis=-1)
    return keras.Model({"clips": clips, "mask": mask}, logit, name=f"{settings.backbone}_{settings.head}")


def _build_part(kind: str, name: str, sizes: tuple[int, ...], settings: Mapping[str, Any]) -> keras.Model:
    try:
        return plugins.load(kind, name).build(*sizes, **settings)
    except TypeError as error:
        raise ConfigError(f"{name} in {kind} does not take these settings: {dict(settings)} ({error}).") from error


@dataclass(frozen=True)
class Part:
    """One plugin that networks are made of.

    Attributes:
        kind: "backbones" or "heads".
        name: its file's name.
        num_parameters: all its weights, trainable or not, with default settings; None if it cannot be built.
        width: D, features it gives; None if it cannot be built.
        source: where it comes from, or why it cannot be built.
    """

    kind: str
    name: str
    num_parameters: int | None
    width: int | None
    source: str


def list_parts(*, image_size: int, num_frames: int, width: int) -> Iterator[Part]:
    """Builds every backbone and every head once, with default settings.

    Args:
        image_size: H = W of the crops in pixels.
        num_frames: T.
        width: D, of the features that heads are given.

    Yields:
        Backbones, then heads, each by name.
    """
    for name in plugins.names("backbones"):
        yield describe_part("backbones", name, image_size)
    for name in plugins.names("heads"):
        yield describe_part("heads", name, num_frames, width)


def describe_part(kind: str, name: str, *sizes: int) -> Part:
    """Builds one plugin with default settings, and counts it.

    Args:
        kind: "backbones" or "heads".
        name: its file's name.
        sizes: H = W for a backbone; T and D for a head.
    """
    try:
        built = _build_part(kind, name, sizes, {})
    except ConfigError as error:
        # It refuses the size, or what it needs is not installed: the others are still worth listing.
        return Part(kind, name, None, None, str(error))
    return Part(kind, name, built.count_params(), built.output_shape[-1], plugins.load(kind, name).SOURCE)
