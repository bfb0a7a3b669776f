"""A manifest of synthetic videos for the benchmarks, made once and found again."""

from pathlib import Path

from deepfake_tf import layouts
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.synthetic import make_videos


def made_entries(folder: Path, num_videos: int) -> list[VideoEntry]:
    """Returns the rows of a manifest of this many videos, half of them fakes."""
    half = num_videos // 2
    make_videos(folder / "videos", num_real=half, num_fake=num_videos - half, seed=0)
    settings = layouts.ManifestSettings("made")
    return layouts.make_manifest("folder", folder / "videos", folder / "manifest.csv", settings=settings)
