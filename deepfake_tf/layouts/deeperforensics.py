"""DeeperForensics-1.0: the faces of paid actors put on the originals of FaceForensics++, clean and disturbed.

    manipulated_videos/end_to_end/000_M101.mp4      the face of actor M101 in the original 000 of FaceForensics++
    source_videos/M101/.../*.mp4                    the actors in the studio
    lists/splits/train.txt val.txt test.txt         names such as 000_M101.mp4

The real part of this data set are the originals of FaceForensics++ (c23): make a manifest of those with the layout
faceforensics and --add it, and each fake joins the group of its original. The studio recordings are real, but look so
different that a model would learn the studio; they are left out unless asked for.
Jiang et al., "DeeperForensics-1.0: A Large-Scale Dataset for Real-World Face Forgery Detection", CVPR 2020.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import Example, video_files
from deepfake_tf.layouts.faceforensics import ORIGINAL
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import FAKE, REAL, SPLITS

FAKES_NAME = "manipulated_videos"
SOURCES_NAME = "source_videos"

_FAKE_NAME = re.compile(r"(\d{3})_([MW]\d{3})")
_ACTOR = re.compile(r"([MW]\d{3})_.+")

EXAMPLE = Example(
    files={
        "manipulated_videos/end_to_end/000_M101.mp4": "a",
        "manipulated_videos/end_to_end_level_3/000_M101.mp4": "b",
        "manipulated_videos/end_to_end/001_W004.mp4": "c",
        "source_videos/M101/light_up/happy/camera_front/M101_light_up_happy_camera_front.mp4": "d",
        "lists/splits/train.txt": "001_W004.mp4\n",
        "lists/splits/val.txt": "",
        "lists/splits/test.txt": "000_M101.mp4\n",
    },
    options={"with_source_videos": True},
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the layout's flags."""
    parser.add_argument(
        "--variant",
        action="append",
        help="keeps only this folder of manipulated_videos, for example end_to_end; may be given more than once",
    )
    parser.add_argument(
        "--with-source-videos", action="store_true", help="adds the studio recordings of the actors, as real"
    )


def find_videos(
    root: Path, *, variant: Sequence[str] | None = None, with_source_videos: bool = False
) -> list[VideoEntry]:
    """Returns a row for each fake and, if asked for, each studio recording.

    Args:
        root: of the data set.
        variant: folders of fakes to keep, all if None.
        with_source_videos: whether the studio recordings are wanted.

    Raises:
        ConfigError: there are no fakes, or none of a variant.
        DataError: a fake has no such name, or the lists contradict each other.
    """
    splits = _read_splits(root / "lists" / "splits")
    folders = sorted(folder for folder in (root / FAKES_NAME).glob("*") if folder.is_dir())
    unknown = sorted(set(variant or ()) - {folder.name for folder in folders})
    if not folders or unknown:
        wanted = f"{FAKES_NAME}/{unknown[0]}" if unknown else FAKES_NAME
        raise ConfigError(f"{root} has no {wanted}. It has: {', '.join(folder.name for folder in folders) or 'none'}.")
    entries = [
        _fake(path, root, splits)
        for folder in folders
        if not variant or folder.name in variant
        for path in video_files(folder)
    ]
    if with_source_videos:
        actor_splits = {name.split("_")[-1]: split for name, split in splits.items()}
        entries += [_source(path, root, actor_splits) for path in video_files(root / SOURCES_NAME)]
    return entries


def _fake(path: Path, root: Path, splits: Mapping[str, str]) -> VideoEntry:
    name = _FAKE_NAME.fullmatch(path.stem)
    if not name:
        raise DataError(f"{path} must have a name such as 000_M101.mp4.")
    folder = path.relative_to(root / FAKES_NAME).parts[0]
    is_disturbed = folder.startswith("end_to_end_")
    return VideoEntry(
        video_id=path.relative_to(root).as_posix(),
        path=path.absolute(),
        label=FAKE,
        method="end_to_end" if is_disturbed else folder,
        identities=(ORIGINAL.format(name[1]), name[2]),
        split=splits.get(path.stem, ""),
        attributes={"disturbance": folder.removeprefix("end_to_end_") if is_disturbed else ""},
    )


def _source(path: Path, root: Path, actor_splits: Mapping[str, str]) -> VideoEntry:
    name = _ACTOR.fullmatch(path.stem)
    if not name:
        raise DataError(f"{path} must have a name such as M101_light_up_happy_camera_front.mp4.")
    return VideoEntry(
        video_id=path.relative_to(root).as_posix(),
        path=path.absolute(),
        label=REAL,
        identities=(name[1],),
        split=actor_splits.get(name[1], ""),
        attributes={"context": "studio"},
    )


def _read_splits(folder: Path) -> dict[str, str]:
    """The split of every name on the lists, such as 000_M101."""
    if not folder.is_dir():
        return {}
    splits: dict[str, str] = {}
    for split in SPLITS:
        path = folder / f"{split}.txt"
        if not path.is_file():
            raise DataError(f"{folder} must hold train.txt, val.txt and test.txt. {path.name} is not there.")
        for name in path.read_text().split():
            stem = Path(name).stem
            if splits.setdefault(stem, split) != split:
                raise DataError(f"{name} is in {splits[stem]}.txt and in {split}.txt of {folder}.")
    return splits
