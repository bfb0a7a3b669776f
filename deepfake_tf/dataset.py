"""Shards to batches: parse, sample, decode, blend, augment, batch.

    shards --list_clips--> ClipTable --Sampler--> which clips --for_training / for_evaluation--> tf.data batches

The table is read once from the head of each record. From then on a clip is found by its place, so that the order is a
true shuffle of all clips, is the same for the same seed however many threads work, and can begin at any batch: where a
training stands is one number. Shape letters: B clips, T frames, H = W pixels.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepfake_tf import augment, recipes
from deepfake_tf.blending import SelfBlend
from deepfake_tf.clip_table import ClipTable
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.pixel_cache import PixelCache
from deepfake_tf.sampling import NO_PARTNER, Draws, Sampler, Sampling, worker_part
from deepfake_tf.schema import FAKE, INPUT_CLIPS, INPUT_MASK, REAL, ClipSpec
from deepfake_tf.timing import Timing


@dataclass(frozen=True)
class Loading:
    """How batches are made ready; what is in them does not depend on it, `worker` apart.

    Attributes:
        num_threads: that load clips; as many as pay if None.
        deterministic: batches come in one order, even if that means waiting for a slow one.
        cache: keeps decoded clips: "memory", a folder, or nothing if empty.
        worker: which of several workers this is, from 0; each gets its part of every training batch.
        num_workers: how many there are.
        timing: is told where the time goes.
    """

    num_threads: int | None = None
    deterministic: bool = True
    cache: Path | str = ""
    worker: int = 0
    num_workers: int = 1
    timing: Timing | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.worker < self.num_workers:
            raise ConfigError(
                f"worker must lie in [0, num_workers). Received: worker={self.worker}, num_workers={self.num_workers}"
            )
        if self.num_threads is not None and self.num_threads < 1:
            raise ConfigError(f"num_threads must be 1 or more, or None. Received: {self.num_threads}")


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
    loader = _Loader(clips, loading)
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
        examples = tf.data.Dataset.from_tensor_slices(tuple(columns)).map(
            lambda *draw: (_as_tensors(loader.changed(ops), draw[:5], clips.spec), *draw[5:]),
            num_parallel_calls=loading.num_threads or tf.data.AUTOTUNE,
            deterministic=loading.deterministic,
        )
        return examples.batch(part_size)

    epochs = tf.data.Dataset.counter(first_batch // sampler.num_batches)
    return epochs.flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)


def for_evaluation(clips: ClipTable, *, batch_size: int, loading: Loading | None = None) -> tf.data.Dataset:
    """Returns every clip once, unchanged and in the order of the table, whose rows say what each clip is.

    Args:
        clips: one or more, labelled or not.
        batch_size: B; the last batch may be smaller.
        loading: how the work is done; all workers see all clips.

    Returns:
        Batches of {"clips": uint8 [B, T, H, W, 3], "mask": bool [B, T]}.
    """
    loading = loading or Loading()
    loader = _Loader(clips, loading)
    examples = tf.data.Dataset.range(len(clips)).map(
        lambda row: _as_tensors(loader.plain, [row], clips.spec),
        num_parallel_calls=loading.num_threads or tf.data.AUTOTUNE,
        deterministic=True,
    )
    return examples.batch(batch_size).prefetch(tf.data.AUTOTUNE)


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
    """Runs a Python function within tf.data; its result is that of one clip."""
    pixels, mask = tf.numpy_function(load, arguments, [tf.uint8, tf.bool])
    size = spec.crop_size_px
    return {
        INPUT_CLIPS: tf.ensure_shape(pixels, [spec.num_frames, size, size, 3]),
        INPUT_MASK: tf.ensure_shape(mask, [spec.num_frames]),
    }


class _Loader:
    """Makes single clips, in whatever thread."""

    def __init__(self, clips: ClipTable, loading: Loading) -> None:
        self._clips = clips
        self._timing = loading.timing
        self._cache = PixelCache(clips, loading.cache) if loading.cache else None
        self._self_blend = SelfBlend()

    def plain(self, row: NDArray) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Returns a clip as it is stored."""
        pixels, mask, _ = self._decoded(int(row))
        return pixels, mask

    def changed(self, ops: tuple[augment.ClipOp, ...]) -> Callable:
        """Returns what makes a clip of one draw: decode, blend or mix, augment."""

        def load(row: NDArray, blended: NDArray, partner: NDArray, share: NDArray, seed: NDArray) -> tuple:
            pixels, mask, keypoints = self._decoded(int(row))
            if blended:
                with self._stage("blend"):
                    pixels = self._self_blend(pixels, int(seed), keypoints_px=keypoints, mask=mask).clip
            if partner != NO_PARTNER:
                pixels = self._mixed(pixels, int(partner), float(share))
            with self._stage("augment"):
                changed = augment.apply(ops, pixels, int(seed), keypoints_px=keypoints, mask=mask)
            return _blanked(changed, mask, is_ours=changed is not pixels), mask

        return load

    def _decoded(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float32]]:
        with self._stage("read"):
            jpegs, mask, keypoints = self._clips.read_with_keypoints(row)

        def decode() -> NDArray[np.uint8]:
            with self._stage("decode"):
                return _decode(jpegs, mask, self._clips.spec, self._clips.shard_path(row))

        return (self._cache.get(row, decode) if self._cache else decode()), mask, keypoints

    def _mixed(self, pixels: NDArray[np.uint8], partner: int, share: float) -> NDArray[np.uint8]:
        """Mixes the partner in, in the frames that it has."""
        other, mask, _ = self._decoded(partner)
        mixed = pixels.copy()
        for number in np.flatnonzero(mask):
            cv2.addWeighted(pixels[number], 1 - share, other[number], share, 0, dst=mixed[number])
        return mixed

    def _stage(self, name: str) -> contextlib.AbstractContextManager:
        return self._timing.stage(name) if self._timing else contextlib.nullcontext()


def _blanked(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], *, is_ours: bool) -> NDArray[np.uint8]:
    """What is not there stays blank, whatever the colours were changed to."""
    if mask.all():
        return pixels
    blanked = pixels if is_ours else pixels.copy()
    blanked[~mask] = 0
    return blanked


def _decode(jpegs: tuple[bytes, ...], mask: NDArray, spec: ClipSpec, path: Path) -> NDArray[np.uint8]:
    """Decodes the crops that are there: JPEG files [T] -> uint8 [T, H, W, 3] RGB."""
    # OpenCV in tf.data's threads: twice as fast as TensorFlow's own decoder, and the same pixels.
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
