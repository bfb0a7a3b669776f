"""Shards to batches: sample, parse, decode, blend, augment, batch.

    shards --list_clips--> ClipTable --Sampler--> which clips --for_training / for_evaluation--> tf.data batches

The table is read once from the head of each record. From then on a clip is found by its place, so that the order is a
true shuffle of all clips, is the same for the same seed however many threads work, and can begin at any batch: where a
training stands is one number. Shape letters: B clips, T frames, H = W pixels.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepfake_tf import augment, recipes
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.batching.loading import Loader, Loading
from deepfake_tf.batching.sampling import Draws, Sampler, Sampling, worker_part
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.schema import FAKE, INPUT_CLIPS, INPUT_MASK, REAL, ClipSpec

# Beside those that threads are working on.
_NUM_PREFETCHED = 2


def for_training(
    clips: ClipTable, sampling: Sampling, *, first_batch: int = 0, loading: Loading | None = None
) -> tf.data.Dataset:
    """Returns endless batches for training; an epoch is `clips.num_batches(sampling.batch_size)` of them.

    Order, augmentation and self-blending follow from the seed and the batch's number. With balance "none" the last
    batch of an epoch may be smaller.

    Args:
        clips: labelled clips, one or more.
        sampling: which clips, and how they are changed.
        first_batch: the batch to begin with, from 0: as many as a training that goes on has seen.
        loading: how the work is done.

    Returns:
        Batches of {"clips": uint8 [B, T, H, W, 3], "mask": bool [B, T]}, label float32 [B] in [0, 1], weight
        float32 [B]. B is the worker's part if there are several.

    Raises:
        ConfigError: the batch cannot be parted among the workers, or the cache cannot be kept.
        DataError: there is nothing of a kind that must be drawn.
    """
    loading = loading or Loading()
    part_size = _part_size(sampling, loading)
    sampler = Sampler(clips, sampling)
    loader = Loader(clips, loading)
    ops = recipes.load_ops(sampling.recipe)
    real_weight, fake_weight = sampling.class_weights

    def draw(epoch: NDArray) -> tuple[NDArray, ...]:
        draws = worker_part(sampler.epoch(int(epoch)), sampling.batch_size, loading.worker, loading.num_workers)
        begin = max(0, first_batch - int(epoch) * sampler.num_batches) * part_size
        weights = (real_weight + (fake_weight - real_weight) * draws.labels).astype(np.float32)
        return tuple(column[begin:] for column in (*_columns(draws), draws.labels, weights))

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        kinds = (tf.int64, tf.bool, tf.int64, tf.float32, tf.int64, tf.float32, tf.float32)
        columns = [tf.ensure_shape(one, [None]) for one in tf.numpy_function(draw, [epoch], kinds)]
        batches = tf.data.Dataset.from_tensor_slices(tuple(columns)).batch(part_size)
        return batches.map(
            lambda *draws: (_as_tensors(loader.changed(ops), draws[:5], clips.spec), *draws[5:]),
            num_parallel_calls=loading.num_threads or tf.data.AUTOTUNE,
            deterministic=loading.deterministic,
        )

    epochs = tf.data.Dataset.counter(first_batch // sampler.num_batches)
    return _made_ahead(epochs.flat_map(one_epoch))


def for_evaluation(
    clips: ClipTable,
    *,
    batch_size: int,
    loading: Loading | None = None,
    ops: Sequence[augment.ClipOp] = (),
    seed: int = 0,
) -> tf.data.Dataset:
    """Returns every clip once, in the order of the table, whose rows say what each clip is.

    Args:
        clips: one or more, labelled or not.
        batch_size: B; the last batch may be smaller.
        loading: how the work is done; all workers see all clips.
        ops: what every clip goes through first; nothing, so that it stays as it is, if empty.
        seed: of the ops; what a clip becomes follows from it and the clip's name, whatever stands beside it.

    Returns:
        Batches of {"clips": uint8 [B, T, H, W, 3], "mask": bool [B, T]}.
    """
    loading = loading or Loading()
    loader = Loader(clips, loading)
    load = loader.each_changed(tuple(ops), seed) if ops else loader.plain
    batches = tf.data.Dataset.range(len(clips)).batch(batch_size)
    return _made_ahead(
        batches.map(
            lambda rows: _as_tensors(load, [rows], clips.spec),
            num_parallel_calls=loading.num_threads or tf.data.AUTOTUNE,
            deterministic=True,
        )
    )


def balanced_weights(clips: ClipTable) -> tuple[float, float]:
    """Returns the weights of a real and of a fake clip that make both classes weigh the same, and a clip 1 on average.

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


def _made_ahead(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Has a few batches made before they are asked for, by a fixed number of threads.

    Left to its tuning tf.data fills the memory with batches while the model rests, and whoever is done with them waits
    for the tuning to end: seconds at the end of each training in which nothing runs.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(_NUM_PREFETCHED).with_options(options)


def _part_size(sampling: Sampling, loading: Loading) -> int:
    unit = 2 if sampling.balance == "pairs" else 1
    if sampling.batch_size % (loading.num_workers * unit):
        raise ConfigError(
            f"batch_size must be a multiple of num_workers, with pairs of twice as many. Received: "
            f"batch_size={sampling.batch_size}, num_workers={loading.num_workers}"
        )
    return sampling.batch_size // loading.num_workers


def _columns(draws: Draws) -> tuple[NDArray, ...]:
    return draws.rows, draws.blended, draws.partners, draws.shares, draws.seeds


def _as_tensors(load: Callable, arguments: list | tuple, spec: ClipSpec) -> dict[str, tf.Tensor]:
    """Runs a Python function within tf.data; its result is that of one batch."""
    pixels, mask = tf.numpy_function(load, arguments, [tf.uint8, tf.bool])
    size = spec.crop_size_px
    return {
        INPUT_CLIPS: tf.ensure_shape(pixels, [None, spec.num_frames, size, size, 3]),
        INPUT_MASK: tf.ensure_shape(mask, [None, spec.num_frames]),
    }
