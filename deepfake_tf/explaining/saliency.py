"""Where in a face a model sees the fake: heat maps over the crops of a clip.

    grad_cam     for backbones with maps of features: how much each cell moves the logit (Selvaraju et al. 2017)
    rollout      for transformers: which patches the class token attends to through all blocks (Abnar and Zuidema 2020)
    occlusion    for all: by how much the logit falls when a square is covered; slow, and the check on the other two

Grad-CAM and occlusion say what makes the clip look fake; attention only says what is looked at, whatever is made of it.
Shape letters: B clips, T frames, H = W pixels, N tokens, h = w cells.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import scipy.stats
import tensorflow as tf
from numpy.typing import NDArray

from deepfake_tf.errors import ConfigError
from deepfake_tf.schema import INPUT_CLIPS, INPUT_MASK

METHODS = ("grad_cam", "rollout", "occlusion")

_LEAST_CELLS = 6
"""A map of fewer cells a side says hardly where; a layer before the last is then looked at instead."""
_BATCH_SIZE = 16
_CELLS_COVERED = 2


@dataclass(frozen=True)
class HeatMaps:
    """What a method found.

    Attributes:
        method: one of METHODS.
        about: what of the network it looked at.
        maps: float32 [B, T, h, w], 0 or more; 0 where there is no frame. For a clip, what is twice as high weighs twice
            as much; occlusion gives all frames of a clip one map.
    """

    method: str
    about: str
    maps: NDArray[np.float32]


def method_for(model: keras.Model) -> str:
    """Returns the method that suits a model's backbone: "rollout" for transformers, else "grad_cam"."""
    return "rollout" if _attention_layers(model) and not _map_layers(model) else "grad_cam"


def explain(model: keras.Model, clips: NDArray[np.uint8], mask: NDArray[np.bool_], *, method: str = "") -> HeatMaps:
    """Returns heat maps of some clips.

    Args:
        model: takes {"clips", "mask"}, gives logit [B].
        clips: uint8 [B, T, H, W, 3], one or more.
        mask: bool [B, T].
        method: one of METHODS; what suits the model if empty.

    Raises:
        ConfigError: there is no such method, or the backbone has nothing for it to look at.
    """
    method = method or method_for(model)
    if method not in METHODS:
        raise ConfigError(f"Unknown method {method!r}. Known: {', '.join(METHODS)}.")
    if method == "occlusion":
        maps, about = occlusion(model, clips, mask), "squares covered with the clip's mean colour"
        return HeatMaps(method, about, maps)
    find = {"grad_cam": _grad_cam, "rollout": _rollout}[method]
    parts = [
        find(model, clips[at : at + _BATCH_SIZE], mask[at : at + _BATCH_SIZE])
        for at in range(0, len(clips), _BATCH_SIZE)
    ]
    maps = np.concatenate([part for part, _ in parts])
    maps[~mask] = 0
    return HeatMaps(method, parts[0][1], maps.astype(np.float32))


def agreement(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Returns the rank correlation of two heat maps, each brought to the size of the smaller; NaN if one is flat.

    Args:
        first: float [h, w].
        second: float [h', w'].
    """
    size = min(first.shape[0], second.shape[0])
    both = [_resized(one, size).ravel() for one in (first, second)]
    if any(np.ptp(one) < 1e-12 for one in both):
        return float("nan")
    return float(scipy.stats.spearmanr(*both).statistic)


def randomised(model: keras.Model, seed: int = 0) -> keras.Model:
    """Returns a model of the same shape with weights drawn anew: its maps must differ, or they show the input alone.

    The sanity test of Adebayo et al. 2018: each weight is permuted, which keeps its size and takes what was learned.

    Args:
        model: is not changed.
        seed: of the draw.
    """
    copied = keras.models.clone_model(model)
    rng = np.random.default_rng(seed)
    copied.set_weights([rng.permutation(value.ravel()).reshape(value.shape) for value in model.get_weights()])
    return copied


# Grad-CAM -------------------------------------------------------------------------------------------------------------


def _grad_cam(model: keras.Model, clips: NDArray, mask: NDArray) -> tuple[NDArray[np.float32], str]:
    layers = _map_layers(model)
    if not layers:
        raise ConfigError("The backbone has no maps of features, so Grad-CAM has nothing to look at. Use rollout.")
    large = [layer for layer in layers if layer.output.shape[1] >= _LEAST_CELLS]
    layer = (large or layers)[-1]
    kept: list[Any] = []

    def keep(call: Callable) -> Callable:
        def watched(*arguments: Any, **options: Any) -> Any:
            value = call(*arguments, **options)
            tape.watch(value)
            kept.append(value)
            return value

        return watched

    with tf.GradientTape() as tape, _replaced(layer, "call", keep):
        logit = model({INPUT_CLIPS: clips.astype(np.float32), INPUT_MASK: mask}, training=False)
        total = tf.reduce_sum(logit)
    features = kept[-1]
    slopes = tape.gradient(total, features)
    weights = tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)
    maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)).numpy()
    side = f"{maps.shape[1]} x {maps.shape[2]}"
    return maps.reshape(*mask.shape, *maps.shape[1:]), f"Grad-CAM of the layer {layer.name}, {side} cells"


def _map_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of the backbone, in order, whose output is a map [B, h, w, C] smaller than the picture."""
    size = _backbone(model).input_shape[1]
    found = []
    for layer in _layers_of(_backbone(model)):
        shape: Any = getattr(getattr(layer, "output", None), "shape", ())
        if len(shape) == 4 and None not in shape[1:] and 2 <= shape[1] < size and shape[3] > 3:
            found.append(layer)
    return found


# Attention roll-out ---------------------------------------------------------------------------------------------------


def _rollout(model: keras.Model, clips: NDArray, mask: NDArray) -> tuple[NDArray[np.float32], str]:
    layers = _attention_layers(model)
    if not layers:
        raise ConfigError("The backbone has no attention between patches. Use grad_cam.")
    kept: list[Any] = []

    def keep(call: Callable) -> Callable:
        def watched(*arguments: Any, **options: Any) -> Any:
            value, scores = call(*arguments, **{**options, "return_attention_scores": True})
            kept.append(keras.ops.convert_to_numpy(keras.ops.mean(scores, axis=1)))
            return value

        return watched

    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_replaced(layer, "call", keep))
        model({INPUT_CLIPS: clips.astype(np.float32), INPUT_MASK: mask}, training=False)
    rolled = roll_out(kept)
    side = round((rolled.shape[1] - 1) ** 0.5)
    # What the class token, the first, takes from each patch.
    maps = rolled[:, 0, -side * side :].reshape(*mask.shape, side, side)
    return maps, f"attention roll-out over {len(kept)} blocks, {side} x {side} patches"


def roll_out(attentions: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Returns what each token takes from each token of the input, through all blocks.

    Args:
        attentions: of each block in order, float [B, N, N], the mean over heads; rows sum to 1.

    Returns:
        float [B, N, N], rows sum to 1. Half of each block's output is what went in, by its residual connection.
    """
    identity = np.eye(attentions[0].shape[-1], dtype=np.float32)
    rolled = np.broadcast_to(identity, attentions[0].shape)
    for one in attentions:
        rolled = (0.5 * one + 0.5 * identity) @ rolled
    return np.asarray(rolled, np.float32)


def _attention_layers(model: keras.Model) -> list[keras.layers.MultiHeadAttention]:
    """Those of the backbone: attention of a head over time looks at frames, not at places."""
    return [one for one in _layers_of(_backbone(model)) if isinstance(one, keras.layers.MultiHeadAttention)]


# Occlusion ------------------------------------------------------------------------------------------------------------


def occlusion(
    model: keras.Model, clips: NDArray[np.uint8], mask: NDArray[np.bool_], *, num_cells: int = 8
) -> NDArray[np.float32]:
    """Covers one square after the other, in all frames alike, and sees by how much the logit falls.

    Args:
        model: takes {"clips", "mask"}, gives logit [B].
        clips: uint8 [B, T, H, W, 3].
        mask: bool [B, T].
        num_cells: squares a side; each is two cells wide, so that neighbours overlap.

    Returns:
        float32 [B, T, num_cells, num_cells], the same for all frames of a clip, 0 where the logit rises.
    """
    maps = np.zeros((*mask.shape, num_cells, num_cells), np.float32)
    edges = np.linspace(0, clips.shape[2], num_cells + 1).round().astype(int)
    for number, (clip, there) in enumerate(zip(clips, mask, strict=True)):
        colour = clip[there].mean(axis=(0, 1, 2)) if there.any() else 0
        covered = [clip]
        for row in range(num_cells):
            for column in range(num_cells):
                one = clip.copy()
                bottom, right = (edges[min(at + _CELLS_COVERED, num_cells)] for at in (row, column))
                one[:, edges[row] : bottom, edges[column] : right] = colour
                covered.append(one)
        logits = _logits(model, covered, there)
        falls = np.maximum(logits[0] - logits[1:], 0).reshape(num_cells, num_cells)
        maps[number, there] = _without_shift(falls)
    return maps


def _without_shift(falls: NDArray[np.float32]) -> NDArray[np.float32]:
    """A square reaches from its cell to the next: each cell gets the mean of the squares that cover it."""
    padded = np.pad(falls, ((1, 0), (1, 0)), mode="edge")
    mean = (padded[1:, 1:] + padded[:-1, 1:] + padded[1:, :-1] + padded[:-1, :-1]) / 4
    return np.asarray(mean, np.float32)


def _logits(model: keras.Model, clips: Sequence[NDArray[np.uint8]], there: NDArray[np.bool_]) -> NDArray[np.float32]:
    parts = []
    for begin in range(0, len(clips), _BATCH_SIZE):
        some = np.stack(clips[begin : begin + _BATCH_SIZE])
        batch = {INPUT_CLIPS: some, INPUT_MASK: np.repeat(there[None], len(some), axis=0)}
        parts.append(np.asarray(model.predict_on_batch(batch), np.float32))
    return np.concatenate(parts)


# Networks -------------------------------------------------------------------------------------------------------------


def _backbone(model: keras.Model) -> keras.layers.Layer:
    """The first of the model's layers that is a network: it sees the frames one by one."""
    found = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if not found:
        raise ConfigError("The model has no backbone of its own. Expected one that deepfake_tf.model built.")
    return found[0]


def _layers_of(network: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """All layers within, however deep, in the order in which they were made."""
    for layer in network._flatten_layers(include_self=False, recursive=False):
        yield layer
        yield from _layers_of(layer)


@contextlib.contextmanager
def _replaced(layer: keras.layers.Layer, name: str, change: Callable[[Callable], Callable]) -> Iterator[None]:
    """Lets a layer be listened to: a network inside a network has no output that a new model could name."""
    original = getattr(layer, name)
    object.__setattr__(layer, name, change(original))
    try:
        yield
    finally:
        object.__delattr__(layer, name)


def _resized(heat: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.resize(heat.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA))
