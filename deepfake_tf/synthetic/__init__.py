"""Small labelled talking-head videos for the demo and the tests: real ones, and fakes made from them.

    people.py    altered identities from one public-domain portrait
    scenes.py    motion, background, light and camera
    forgery.py   how the inner face of a fake is replaced

Each fake is made from one of the real videos, with the same background, motion, light, noise and encoder: nothing but
the inner face tells the two apart. The people of a group are only swapped with each other, so groups stay apart.
"""

import concurrent.futures
import csv
import io
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic
from deepfake_tf.errors import ConfigError

if TYPE_CHECKING:
    from deepfake_tf.synthetic.people import Still
    from deepfake_tf.synthetic.scenes import Scene

GROUPS_FILE = "groups.csv"
SETTINGS_FILE = "synthetic.json"

_VERSION = 1
_PEOPLE_PER_GROUP = 2
_TAKES_PER_PERSON = 2
_REAL_PER_GROUP = _PEOPLE_PER_GROUP * _TAKES_PER_PERSON


@dataclass(frozen=True)
class SetSettings:
    """What decides the bytes of a set of videos.

    Attributes:
        num_real: real videos, four to a group (two people, two takes of each).
        num_fake: fakes, each made from one of the real videos in turn.
        seed: for everything that is drawn.
        format_version: of the set; another one gives other videos.
    """

    num_real: int
    num_fake: int
    seed: int
    format_version: int = _VERSION

    def __post_init__(self) -> None:
        for name in ("num_real", "num_fake"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be 1 or more. Received: {name}={getattr(self, name)}")
        if self.seed < 0:
            raise ConfigError(f"seed must be 0 or more. Received: seed={self.seed}")


@dataclass(frozen=True)
class _Video:
    """One video to make: a take of a person, real (method "") or forged."""

    group: int
    person: int
    take: int
    method: str = ""
    round: int = 0

    @property
    def relative_path(self) -> Path:
        name = f"g{self.group:03d}-p{self.person}-t{self.take}"
        if not self.method:
            return Path("real", f"{name}.mp4")
        return Path("fake", self.method, f"{name}-{self.method}{self.round or ''}.mp4")


def make_videos(
    out_dir: Path | str,
    *,
    num_real: int = 96,
    num_fake: int = 96,
    seed: int = 0,
    num_workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Makes real/*.mp4, fake/<method>/*.mp4 and groups.csv, or finds them made.

    The same settings give the same bytes, in whatever number of processes. What an interrupted call had finished is
    kept; groups.csv is written last.

    Args:
        out_dir: folder to make, or to go on with.
        num_real: real videos, 1 or more.
        num_fake: fakes, 1 or more.
        seed: another seed gives other people, scenes and forgeries.
        num_workers: processes, as many as there are processors if None.
        on_progress: called with the number of videos that are there and the number of all.

    Returns:
        The folder.

    Raises:
        ConfigError: a number is out of range, or the folder holds a set made with other settings.
    """
    settings, root = SetSettings(num_real, num_fake, seed), Path(out_dir)
    _claim(root, settings)
    videos = _plan(settings)
    missing = [video for video in videos if not (root / video.relative_path).is_file()]
    report = on_progress or (lambda done, total: None)
    done = len(videos) - len(missing)
    report(done, len(videos))
    for num_made in _make_all(root, seed, missing, num_workers or os.cpu_count() or 1):
        done += num_made
        report(done, len(videos))
    _write_groups(root, videos)
    return root


def _claim(root: Path, settings: SetSettings) -> None:
    """Writes the settings into a new folder; refuses one with other settings."""
    path = root / SETTINGS_FILE
    if not path.is_file() and root.is_dir() and any(root.iterdir()):
        raise ConfigError(f"{root} holds other files, and synthetic videos need a folder of their own. Name another.")
    root.mkdir(parents=True, exist_ok=True)
    atomic.claim(
        path,
        asdict(settings),
        f"{root} holds synthetic videos made with other settings. Expected: {asdict(settings)}. "
        "Name another folder, or delete this one.",
    )


def _plan(settings: SetSettings) -> list[_Video]:
    from deepfake_tf.synthetic.forgery import METHODS

    real = [
        _Video(k // _REAL_PER_GROUP, k // _TAKES_PER_PERSON % _PEOPLE_PER_GROUP, k % _TAKES_PER_PERSON)
        for k in range(settings.num_real)
    ]
    fake = []
    for k in range(settings.num_fake):
        round_, of = divmod(k, settings.num_real)
        target = real[of]
        method = METHODS[(of + round_) % len(METHODS)]
        fake.append(_Video(target.group, target.person, target.take, method, round_))
    return real + fake


def _make_all(root: Path, seed: int, videos: list[_Video], num_workers: int) -> Iterator[int]:
    """Makes the videos, a group to a task; yields how many each task made."""
    groups = sorted({video.group for video in videos})
    tasks = [(root, seed, [video for video in videos if video.group == group]) for group in groups]
    if num_workers == 1 or len(tasks) < 2:
        for task in tasks:
            yield _make_group(*task)
        return
    # Not fork: a child of a process with threads (TensorFlow, gRPC) may hang.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(min(num_workers, len(tasks)), context) as pool:
        futures = [pool.submit(_make_group, *task) for task in tasks]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _make_group(root: Path, seed: int, videos: list[_Video]) -> int:
    """Makes the videos of one group; returns their number."""
    import cv2

    from deepfake_tf.synthetic import people, scenes

    cv2.setNumThreads(1)  # one process for each processor is enough
    group = videos[0].group
    stills = [people.draw_still(people.draw_person(_rng(seed, group, 0, p))) for p in range(_PEOPLE_PER_GROUP)]
    backgrounds = [scenes.draw_background(_rng(seed, group, 1, take)) for take in range(_TAKES_PER_PERSON)]
    for video in videos:
        scene = scenes.draw_scene(_rng(seed, group, 2, video.person, video.take), backgrounds[video.take])
        _encode(root / video.relative_path, _frames(seed, video, scene, stills), scene.crf)
    return len(videos)


def _frames(seed: int, video: _Video, scene: "Scene", stills: "list[Still]") -> Iterator[NDArray[np.uint8]]:
    """Yields the frames of one video, RGB uint8 [H, W, 3]."""
    from deepfake_tf.synthetic import forgery, scenes

    target, grain, fake = stills[video.person], scenes.sensor_grain(scene), None
    if video.method:
        rng = _rng(seed, video.group, 3, video.person, video.take, video.round)
        source = stills[(video.person + 1) % len(stills)] if video.method == "swap" else target
        fake = forgery.draw_forgery(rng, video.method, source)
    grainless = np.zeros((scenes.HEIGHT, scenes.WIDTH), np.float32)
    for index in range(scenes.NUM_FRAMES):
        if fake:
            person, grainless = forgery.forge(scene, target, fake, index)
        else:
            person = scenes.sample_person(target, scene.poses[index], *scenes.person_coordinates(scene, target, index))
        yield scenes.film(scene, person, grainless, index, grain)


def _encode(path: Path, frames: Iterator[NDArray[np.uint8]], crf: int) -> None:
    """Writes an H.264 file, which takes its name once it is complete."""
    import av

    from deepfake_tf.synthetic import scenes

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{atomic.PARTIAL_SUFFIX}")
    with av.open(str(partial), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(scenes.FPS))
        stream.width, stream.height, stream.pix_fmt = scenes.WIDTH, scenes.HEIGHT, "yuv420p"
        # For the same bytes each time: one thread, and without x264's macroblock tree, whose assembly code reads memory
        # that nobody wrote when there are B-frames (seen with the libx264 of PyAV 18: five results of eight encodings).
        stream.codec_context.thread_count = 1
        stream.options = {"crf": str(crf), "preset": "veryfast", "x264-params": "mbtree=0"}
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    os.replace(partial, path)


def _write_groups(root: Path, videos: list[_Video]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "group"])
    writer.writerows((video.relative_path.as_posix(), f"g{video.group:03d}") for video in videos)
    atomic.write_whole(root / GROUPS_FILE, text.getvalue().encode())


def _rng(*numbers: int) -> np.random.Generator:
    return np.random.default_rng(list(numbers))
