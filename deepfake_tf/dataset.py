"""Shards to batches: parse, sample, decode, augment, batch.

    shards --list_clips--> ClipTable --for_training / for_evaluation--> tf.data batches

The table is read once from the head of each record. From then on a clip is found by its place, so that the order is a
true shuffle of all clips, is the same for the same seed however many threads work, and can begin at any epoch.
Shape letters: B clips, T frames, H = W pixels.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepfake_tf import augment, plugins
from deepfake_tf.clip_table import ClipTable
from deepfake_tf.errors import DataError
from deepfake_tf.schema import FAKE, INPUT_CLIPS, INPUT_MASK, REAL, ClipSpec

Load = Callable[[NDArray, NDArray], tuple[NDArray, NDArray]]


def for_training(
    clips: ClipTable,
    *,
    recipe: str,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    weights: tuple[float, float] = (1.0, 1.0),
) -> tf.data.Dataset:
    """Returns endless batches for training; an epoch is `clips.num_batches(batch_size)` of them.

    Every epoch has every clip once, in an order and with an augmentation that follow from the seed and the epoch. The
    last batch of an epoch may be smaller.

    Args:
        clips: labelled clips, one or more.
        recipe: name of a file in recipes/.
        batch_size: B.
        seed: of order and augmentation.
        first_epoch: the epoch to begin with, from 0.
        weights: of a real and of a fake clip in the loss.

    Returns:
        Batches of {"clips": uint8 [B, T, H, W, 3], "mask": bool [B, T]}, label float32 [B], weight float32 [B].
    """
    ops = plugins.load("recipes", recipe).OPS
    labels = tf.constant(clips.labels, tf.float32)
    label_weights = tf.constant(np.asarray(weights, np.float32)[clips.labels])
    load = _loader(clips, lambda crops, row, epoch: augment.apply(ops, crops, _clip_seed(seed, epoch, row)))

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.numpy_function(lambda number: _order(len(clips), seed, int(number)), [epoch], tf.int64)
        rows = tf.data.Dataset.from_tensor_slices(tf.ensure_shape(order, [len(clips)]))
        examples = rows.map(
            lambda row: (load(row, epoch), labels[row], label_weights[row]),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        return examples.batch(batch_size)

    return tf.data.Dataset.counter(first_epoch).flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)


def for_evaluation(clips: ClipTable, *, batch_size: int) -> tf.data.Dataset:
    """Returns every clip once, unchanged and in the order of the table, whose rows say what each clip is.

    Args:
        clips: one or more, labelled or not.
        batch_size: B; the last batch may be smaller.

    Returns:
        Batches of {"clips": uint8 [B, T, H, W, 3], "mask": bool [B, T]}.
    """
    load = _loader(clips, lambda crops, row, epoch: crops)
    rows = tf.data.Dataset.range(len(clips))
    examples = rows.map(
        lambda row: load(row, tf.constant(0, tf.int64)), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return examples.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def balanced_weights(clips: ClipTable) -> tuple[float, float]:
    """Returns the weights of a real and of a fake clip with which both classes weigh the same, 1 on average over clips.

    Raises:
        DataError: a class has no clips.
    """
    counts = [int(np.sum(clips.labels == label)) for label in (REAL, FAKE)]
    if not all(counts):
        raise DataError(f"Both classes need clips to be weighed. Received: {counts[0]} real and {counts[1]} fake clips")
    real, fake = (len(clips) / (2 * count) for count in counts)
    return real, fake


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turns what tf.data wraps around an error of ours back into that error.

    Raises:
        DataError: a clip could not be read.
    """
    try:
        yield
    except tf.errors.OpError as error:
        # tf.data hands on an exception of Python as text: its class and message, then where it happened.
        _, found, rest = (error.message or "").partition("DataError: ")
        if not found:
            raise
        raise DataError(rest.splitlines()[0]) from error


def _loader(clips: ClipTable, change: Callable) -> Callable:
    """Returns (row, epoch) -> {"clips", "mask"} of one clip, as TensorFlow operations."""
    spec = clips.spec

    def load(row: NDArray, epoch: NDArray) -> tuple[NDArray, NDArray]:
        jpegs, mask = clips.read(int(row))
        crops = change(_decode(jpegs, mask, spec, clips.shard_path(int(row))), int(row), int(epoch))
        # What is not there stays blank, whatever the colours were changed to.
        return np.where(mask[:, None, None, None], crops, np.uint8(0)), mask

    def load_tensors(row: tf.Tensor, epoch: tf.Tensor) -> dict[str, tf.Tensor]:
        crops, mask = tf.numpy_function(load, [row, epoch], [tf.uint8, tf.bool])
        size = spec.crop_size_px
        return {
            INPUT_CLIPS: tf.ensure_shape(crops, [spec.num_frames, size, size, 3]),
            INPUT_MASK: tf.ensure_shape(mask, [spec.num_frames]),
        }

    return load_tensors


def _decode(jpegs: tuple[bytes, ...], mask: NDArray, spec: ClipSpec, path: Path) -> NDArray:
    """Decodes the crops that are there: JPEG files [T] -> uint8 [T, H, W, 3] RGB."""
    # OpenCV in tf.data's threads: twice as fast as TensorFlow's own decoder, and the same pixels.
    import cv2

    size = spec.crop_size_px
    crops = np.zeros((spec.num_frames, size, size, 3), np.uint8)
    for number in np.flatnonzero(mask):
        crop = cv2.imdecode(np.frombuffer(jpegs[number], np.uint8), cv2.IMREAD_COLOR_RGB) if jpegs[number] else None
        if crop is None or crop.shape != crops.shape[1:]:
            raise DataError(
                f"A crop in {path} is no JPEG of {size} x {size} pixels: the shard is damaged. Extract it again."
            )
        crops[number] = crop
    return crops


def _order(num_clips: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(num_clips)


def _clip_seed(seed: int, epoch: int, row: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, row]).generate_state(1)[0])
