"""Clips whose only trace is in time, or only in space.

In time: every clip shows the same set of brightnesses. In a real clip they rise or fall as light does, in a fake the
bright and the dark ones alternate. A frame by itself, and the frames in whatever order, say nothing of the label.

In space: a fake shows a faint square in each frame. The order of the frames is drawn alike for both.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import manifest, records
from deepfake_tf.schema import FAKE, REAL, ClipSpec
from tests.clips_of_squares import INFO, make_clip

SPEC = ClipSpec(num_frames=8, clips_per_video=1, crop_size_px=16)
TRACES = ("time", "space")
_DARK, _BRIGHT, _NOISE, _SQUARE = 80, 160, 12, 8


def make_crops(trace: str, label: int, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Returns T crops uint8 [H, W, 3]."""
    levels = np.linspace(_DARK, _BRIGHT, SPEC.num_frames) + rng.uniform(-20, 20)
    if trace == "space":
        levels = rng.permutation(levels)
    elif label == REAL:
        levels = levels if rng.integers(2) else levels[::-1]
    else:
        levels = _alternating(levels, rng)
    return [_crop(level, trace == "space" and label == FAKE, rng) for level in levels]


def _alternating(levels: NDArray, rng: np.random.Generator) -> NDArray:
    halves = [rng.permutation(half) for half in np.split(levels, 2)]
    return np.stack(halves if rng.integers(2) else halves[::-1], axis=1).ravel()


def _crop(level: float, has_square: bool, rng: np.random.Generator) -> NDArray[np.uint8]:
    size = SPEC.crop_size_px
    crop = level + rng.normal(0, _NOISE, (size, size, 1))
    if has_square:
        crop[size // 4 : -size // 4, size // 4 : -size // 4] += _SQUARE
    return np.clip(np.repeat(crop, 3, axis=2), 0, 255).astype(np.uint8)


def write_flicker(data_dir: Path, trace: str, num_videos: dict[str, int], *, seed: int = 0) -> Path:
    """Writes a finished folder of shards; half of the videos of a split are fake, each has one clip."""
    data_dir.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    entries, shards = [], {}
    for split, number in num_videos.items():
        encoded = []
        for video in range(number):
            name = f"{split}{video}"
            label = (REAL, FAKE)[video % 2]
            method = trace if label == FAKE else ""
            entry = manifest.VideoEntry(name, data_dir / f"{name}.mp4", label, method=method, group=name, split=split)
            entries.append(entry)
            encoded.append(records.encode_clip(make_clip(make_crops(trace, label, rng)), entry, SPEC, INFO))
        path = data_dir / f"{split}-00000-of-00001.tfrecord"
        records.write_shard(path, encoded)
        shards[split] = (records.ShardInfo(path.name, number, number, path.stat().st_size, ""),)
    manifest.write_manifest(entries, data_dir / "manifest.csv")
    (data_dir / "failures.csv").write_text("video_id,path,outcome,reason\n")
    records.write_index(data_dir, records.DataIndex(spec=SPEC, shards=shards, num_failed=0))
    return data_dir
