"""Celeb-DF, version 1 and version 2: celebrities, and their faces put on each other.

    Celeb-real/id13_0011.mp4                celebrity 13
    Celeb-synthesis/id13_id10_0011.mp4      the face of celebrity 10 in that video
    YouTube-real/00170.mp4                  other people, each in one video
    List_of_testing_videos.txt              lines such as "1 YouTube-real/00170.mp4", where 1 stands for real

What the list names is test, all else is train. Celebrities are in both, and are swapped with each other, so that nearly
all of it is one group: use it to test what was trained on something else.
Li et al., "Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics", CVPR 2020.
"""

import argparse
import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import Example, video_files
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import FAKE, LABEL_NAMES, REAL

LIST_NAME = "List_of_testing_videos.txt"

# In small letters: copies differ in YouTube and Youtube.
_FOLDERS = {"celeb-real": REAL, "youtube-real": REAL, "celeb-synthesis": FAKE}
_CELEBRITIES = re.compile(r"(id\d+)(?:_(id\d+))?_(\d+)")
# The list says whether a video is real; a label says whether it is fake.
_LABELS = {"1": REAL, "0": FAKE}

EXAMPLE = Example(
    files={
        "Celeb-real/id13_0011.mp4": "a",
        "Celeb-real/id10_0000.mp4": "b",
        "Celeb-synthesis/id13_id10_0011.mp4": "c",
        "YouTube-real/00170.mp4": "d",
        "List_of_testing_videos.txt": "1 Celeb-real/id13_0011.mp4\n1 Celeb-real/id10_0000.mp4\n"
        "0 Celeb-synthesis/id13_id10_0011.mp4\n",
    }
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the layout's flags: it has none."""


def find_videos(root: Path) -> list[VideoEntry]:
    """Returns a row for each video in the three folders.

    Args:
        root: of version 1 or version 2.

    Raises:
        ConfigError: there are no such folders.
        DataError: the list contradicts the folders, or names a video that is not there.
    """
    folders = sorted(folder for folder in root.iterdir() if folder.name.lower() in _FOLDERS) if root.is_dir() else []
    if not folders:
        raise ConfigError(f"{root} has none of the folders Celeb-real, Celeb-synthesis and YouTube-real.")
    entries = [_entry(path, folder, root) for folder in folders for path in video_files(folder)]
    testing = _read_list(root / LIST_NAME)
    originals = {entry.path.stem: entry.video_id for entry in entries if entry.label == REAL}
    entries = [dataclasses.replace(entry, original_id=originals.get(_original(entry), "")) for entry in entries]
    return _with_splits(entries, testing, root / LIST_NAME) if testing else entries


def _entry(path: Path, folder: Path, root: Path) -> VideoEntry:
    name = _CELEBRITIES.fullmatch(path.stem)
    video_id = path.relative_to(root).as_posix()
    label = _FOLDERS[folder.name.lower()]
    if label == FAKE and not (name and name[2]):
        raise DataError(f"{video_id} must have a name such as id13_id10_0011.mp4.")
    people = [name[1], name[2]] if name else [f"{folder.name}/{path.stem}"]
    return VideoEntry(
        video_id=video_id,
        path=path.absolute(),
        label=label,
        method=folder.name if label == FAKE else "",
        identities=tuple(person for person in people if person),
        attributes={"folder": folder.name},
    )


def _original(entry: VideoEntry) -> str:
    """The name of the video that a fake was made from: id13_0011 of id13_id10_0011."""
    name = _CELEBRITIES.fullmatch(entry.path.stem)
    return f"{name[1]}_{name[3]}" if name and name[2] else ""


def _read_list(path: Path) -> dict[tuple[str, str], int]:
    """The label of every video on the list, by its folder in small letters and its name."""
    if not path.is_file():
        return {}
    testing = {}
    for line in path.read_text().splitlines():
        if not line.strip():
            continue
        word, _, name = line.strip().partition(" ")
        folder, _, file = name.strip().partition("/")
        if word not in _LABELS or not file:
            raise DataError(f"{path} must have lines such as '1 YouTube-real/00170.mp4'. Received: {line!r}")
        testing[folder.lower(), Path(file).name] = _LABELS[word]
    return testing


def _with_splits(entries: list[VideoEntry], testing: Mapping[tuple[str, str], int], path: Path) -> list[VideoEntry]:
    keys = [(entry.attributes["folder"].lower(), entry.path.name) for entry in entries]
    missing = sorted(set(testing) - set(keys))
    if missing:
        raise DataError(f"{len(missing)} videos on {path} are not there, the first is {'/'.join(missing[0])}.")
    for entry, key in zip(entries, keys, strict=True):
        if testing.get(key, entry.label) != entry.label:
            raise DataError(f"{path} calls {entry.video_id} {LABEL_NAMES[testing[key]]}, and its folder does not.")
    return [
        dataclasses.replace(entry, split="test" if key in testing else "train")
        for entry, key in zip(entries, keys, strict=True)
    ]
