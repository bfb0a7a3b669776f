"""Clips of some rows into one batch in memory: read, decode, blend or mix, augment.

What is made follows from the row, the seed and the settings alone: not from the thread, the batch, or what came before.
"""

import contextlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from deepfake_tf import augment
from deepfake_tf.batching.batch_buffers import BatchBuffers
from deepfake_tf.batching.clip_table import ClipTable, StoredFrames
from deepfake_tf.batching.frame_windows import MIDDLE
from deepfake_tf.batching.pixel_cache import PixelCache
from deepfake_tf.batching.sampling import NO_PARTNER
from deepfake_tf.batching.timing import Timing
from deepfake_tf.blending import SelfBlend
from deepfake_tf.errors import ConfigError, DataError

# Knuth's multiplier: seeds that are neighbours land far from each other.
_SPREADING = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Loading:
    """How batches are made ready; what is in them does not depend on it, `worker` apart.

    Attributes:
        num_threads: that load batches, each thread its own; as many as there are cores, 16 at most, if None.
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


class Loader:
    """Makes batches, each in one thread; several threads work at several batches."""

    def __init__(self, clips: ClipTable, loading: Loading) -> None:
        self._clips = clips
        self._timing = loading.timing
        self._cache = PixelCache(clips, loading.cache) if loading.cache else None
        self._self_blend = SelfBlend()
        size = clips.spec.crop_size_px
        self._clip_shape = (clips.spec.num_frames, size, size, 3)
        self._buffers = BatchBuffers()

    def plain(self, rows: NDArray) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Returns clips as they are stored."""
        return self._batch(rows, [MIDDLE] * len(rows), lambda number, pixels, found: pixels)

    def each_changed(self, ops: tuple[augment.ClipOp, ...], seed: int) -> Callable:
        """Returns what makes the clips of some rows: decode, augment."""
        change = self.changed(ops, random_frames=False)

        def load(rows: NDArray) -> tuple:
            names = [self._clips.example_ids[row] for row in rows.tolist()]
            seeds = np.array([zlib.crc32(f"{seed}/{name}".encode()) for name in names], np.int64)
            nothing = np.zeros(len(rows), np.float32)
            return change(rows, nothing > 0, np.full(len(rows), NO_PARTNER), nothing, seeds)

        return load

    def changed(self, ops: tuple[augment.ClipOp, ...], *, random_frames: bool = True) -> Callable:
        """Returns what makes the clips of some draws: decode, blend or mix, augment.

        Args:
            ops: of a recipe.
            random_frames: where not all stored frames are used, chance chooses; the same for the same seed.
        """

        def load(rows: NDArray, blended: NDArray, partners: NDArray, shares: NDArray, seeds: NDArray) -> tuple:
            places = [_place(int(seed)) if random_frames else MIDDLE for seed in seeds]

            def change(number: int, pixels: NDArray, found: StoredFrames) -> NDArray:
                seed, face = int(seeds[number]), {"keypoints_px": found.keypoints_px, "mask": found.mask}
                if blended[number]:
                    with self._stage("blend"):
                        pixels = self._self_blend(pixels, seed, **face).clip
                if partners[number] != NO_PARTNER:
                    self._mix_in(pixels, int(partners[number]), places[number], float(shares[number]))
                with self._stage("augment"):
                    return augment.apply(ops, pixels, seed, **face)

            return self._batch(rows, places, change)

        return load

    def _batch(self, rows: NDArray, places: Sequence[float], change: Callable) -> tuple[NDArray, NDArray]:
        # Decoded into its place in the batch: copies of whole clips cost a fifth of the decoding.
        batch = self._buffers.take((len(rows), *self._clip_shape))
        masks = np.empty((len(rows), self._clip_shape[0]), np.bool_)
        for number, row in enumerate(rows.tolist()):
            pixels = batch[number]
            found = self._read(row, places[number], pixels)
            masks[number] = found.mask
            changed = change(number, pixels, found)
            if changed is not pixels:
                pixels[...] = changed
            # What is not there stays blank, whatever the colours were changed to.
            if not found.mask.all():
                pixels[~found.mask] = 0
        return batch, masks

    def _read(self, row: int, place: float, pixels: NDArray[np.uint8]) -> StoredFrames:
        """Puts a clip into `pixels`; returns what else is known of its frames."""
        with self._stage("read"):
            found = self._clips.read_frames(row, place)
        wanted = np.ones(len(pixels), np.bool_)
        if self._cache:
            wanted &= ~self._cache.copy_to(row, found.numbers, pixels)
        if wanted.any():
            with self._stage("decode"):
                _decode(found, wanted, pixels, self._clips.shard_path(row))
            if self._cache:
                self._cache.keep(row, found.numbers[wanted], pixels[wanted])
        return found

    def _mix_in(self, pixels: NDArray[np.uint8], partner: int, place: float, share: float) -> None:
        """Mixes the partner in, in the frames that it has."""
        other = np.empty_like(pixels)
        found = self._read(partner, place, other)
        for number in np.flatnonzero(found.mask):
            cv2.addWeighted(pixels[number], 1 - share, other[number], share, 0, dst=pixels[number])

    def _stage(self, name: str) -> contextlib.AbstractContextManager:
        return self._timing.stage(name) if self._timing else contextlib.nullcontext()


def _place(seed: int) -> float:
    """Returns a number in [0, 1) that looks random and is the same for the same seed."""
    return (seed * _SPREADING % 2**64 >> 11) / 2**53


def _decode(found: StoredFrames, wanted: NDArray[np.bool_], pixels: NDArray[np.uint8], path: Path) -> None:
    """Decodes the wanted crops that are there: JPEG files -> uint8 [T, H, W, 3] RGB, blank where there is none."""
    for number in np.flatnonzero(wanted):
        if not found.mask[number]:
            pixels[number] = 0
            continue
        try:
            # The same pixels as OpenCV's and the served model's decoder (see export.py), without a copy.
            crop = simplejpeg.decode_jpeg(found.crops[number], "RGB", buffer=pixels[number])
        except ValueError:
            crop = None
        if crop is None or crop.shape != pixels.shape[1:]:
            raise DataError(
                f"A crop in {path} is no JPEG of {pixels.shape[1]} x {pixels.shape[2]} pixels: the shard is damaged. "
                "Extract it again."
            )
