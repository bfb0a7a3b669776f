"""Keeps decoded clips, so that each is decoded once: in memory, or in a file that later runs use too.

A clip of 8 crops of 128 x 128 takes 0.4 MB decoded, about ten times its JPEG files.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.errors import ConfigError

MEMORY = "memory"


class PixelCache:
    """Decoded frames by row and number."""

    def __init__(self, clips: ClipTable, where: Path | str) -> None:
        """Opens the cache; a file is made at its full size, without using the room before it is needed.

        Args:
            clips: whose pixels are kept.
            where: MEMORY, or a folder.

        Raises:
            ConfigError: the folder cannot be written to, or has not enough room.
        """
        spec = clips.spec
        shape = (len(clips), clips.num_stored, spec.crop_size_px, spec.crop_size_px, 3)
        if where == MEMORY:
            self._pixels: NDArray[np.uint8] = np.empty(shape, np.uint8)
            self._is_there: NDArray[np.bool_] = np.zeros(shape[:2], np.bool_)
            return
        stem = Path(where) / f"pixels-{_fingerprint(clips)}"
        try:
            stem.parent.mkdir(parents=True, exist_ok=True)
            self._pixels = _open_array(stem.with_suffix(".uint8"), np.uint8, shape)
            self._is_there = _open_array(stem.with_suffix(".there"), np.bool_, shape[:2])
        except OSError as error:
            raise ConfigError(
                f"Decoded clips cannot be kept in {where} ({error}). Choose another folder, or none."
            ) from error

    def copy_to(self, row: int, numbers: NDArray[np.int64], pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Copies those frames of a clip that are kept.

        Args:
            row: of the clip.
            numbers: int64 [T], which of its stored frames are asked for.
            pixels: uint8 [T, H, W, 3], where they are put.

        Returns:
            bool [T], which of them are kept.
        """
        found = self._is_there[row, numbers]
        if found.all() and np.array_equal(numbers, np.arange(numbers[0], numbers[0] + len(numbers))):
            # One stretch of memory is copied twice as fast as its parts.
            pixels[...] = self._pixels[row, numbers[0] : numbers[0] + len(numbers)]
        else:
            for place in np.flatnonzero(found):
                pixels[place] = self._pixels[row, numbers[place]]
        return np.asarray(found)

    def keep(self, row: int, numbers: NDArray[np.int64], pixels: NDArray[np.uint8]) -> None:
        """Keeps frames of a clip, uint8 [T, H, W, 3]."""
        self._pixels[row, numbers] = pixels
        # Said only now: another thread, or a run after a kill, must not find half a frame.
        self._is_there[row, numbers] = True


def _open_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    num_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if not path.exists() or path.stat().st_size != num_bytes:
        _make_file(path, num_bytes)
    return np.memmap(path, dtype, "r+", shape=shape)


def _make_file(path: Path, num_bytes: int) -> None:
    """Makes a file of zeros that takes its name at its full size, unless another process was quicker."""
    free_bytes = shutil.disk_usage(path.parent).free
    if free_bytes < num_bytes:
        # Writing to a mapped file on a full disk would kill the process.
        raise OSError(f"{num_bytes / 1e9:.1f} GB are needed, {free_bytes / 1e9:.1f} GB are free")
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".partial-") as file:
        file.truncate(num_bytes)
        if path.exists() and path.stat().st_size != num_bytes:
            path.unlink()
        with contextlib.suppress(FileExistsError):
            # To rename it would take the file away from workers that fill it already.
            os.link(file.name, path)


def _fingerprint(clips: ClipTable) -> str:
    """Returns hex digits that change if the clips, their order or the shards' bytes do."""
    # However many of its frames are used: all find what any of them kept.
    spec = clips.spec.to_json() | {"num_frames": clips.num_stored}
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    for path in clips.shards:
        status = path.stat()
        digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
    for column in (clips.shard_numbers, clips.offsets):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]
