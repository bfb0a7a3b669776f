r"""FaceForensics++: 1,000 originals and their fakes, by method and compression, with the official train, val and test.

    original_sequences/youtube/c23/videos/000.mp4
    manipulated_sequences/Deepfakes/c23/videos/000_003.mp4      the face of 003 in the video 000
    train.json val.json test.json                               pairs such as ["000", "003"]
    conversion_dict.json                                        "000": "<YouTube video> <sequence>"

The lists may lie in the root, in splits/ or dataset/splits/ below it, or in --splits-dir; without them splits are
assigned anew. Copies that leave out folders (Deepfakes/000_003.mp4, original/000.mp4) are read too. Videos of actors,
with names such as 01_02__walking, belong to the layout dfd, which reads the same root.
Rossler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images", ICCV 2019.
"""

import argparse
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import Example, read_json, video_files
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import FAKE, REAL, SPLITS

CONVERSION_NAME = "conversion_dict.json"
ORIGINAL = "faceforensics:{}"
"""The identity of an original by its number, in whatever data set it is used."""

_NAME = re.compile(r"(\d{3})(?:_(\d{3}))?")
_LIST_FOLDERS = ("", "splits", "dataset/splits", "dataset")
# Folders that say nothing about how a video was made.
_NO_METHOD = {"manipulated_sequences", "original_sequences", "videos"}
# The download names its lightest compression either way.
_COMPRESSIONS = {"raw": "c0", "c0": "c0", "c23": "c23", "c40": "c40"}

EXAMPLE = Example(
    files={
        "original_sequences/youtube/c23/videos/000.mp4": "a",
        "original_sequences/youtube/c23/videos/003.mp4": "b",
        "original_sequences/youtube/c23/videos/004.mp4": "c",
        "original_sequences/youtube/c23/videos/982.mp4": "d",
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4": "e",
        "manipulated_sequences/FaceSwap/c40/videos/982_004.mp4": "f",
        "manipulated_sequences/FaceSwap/masks/videos/982_004.mp4": "no face in it",
        "splits/train.json": "[]",
        "splits/val.json": json.dumps([["004", "982"]]),
        "splits/test.json": json.dumps([["000", "003"]]),
    }
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the layout's flags."""
    parser.add_argument(
        "--compression",
        action="append",
        choices=("c0", "c23", "c40"),
        help="keeps only videos of this compression; may be given more than once (default: all)",
    )
    parser.add_argument(
        "--method", action="append", help="keeps only fakes of this method; may be given more than once (default: all)"
    )
    parser.add_argument("--splits-dir", type=Path, help="folder of train.json, val.json and test.json")


def find_videos(
    root: Path,
    *,
    compression: Sequence[str] | None = None,
    method: Sequence[str] | None = None,
    splits_dir: Path | None = None,
) -> list[VideoEntry]:
    """Returns a row for each original and each fake below the root.

    Args:
        root: of the data set.
        compression: those to keep, all if None.
        method: those of the fakes to keep, all if None.
        splits_dir: folder of the official lists, looked for if None.

    Raises:
        ConfigError: there are no videos of this data set, no such method, or no lists in `splits_dir`.
        DataError: a list cannot be read, or contradicts another.
    """
    splits = _read_splits(root, splits_dir)
    youtube = _read_conversion(root)
    found = [entry for path in video_files(root) if (entry := _entry(path, root, splits, youtube))]
    if not found:
        raise ConfigError(f"{root} has no videos of FaceForensics++, with names such as 000.mp4 and 000_003.mp4.")
    unknown = sorted(set(method or ()) - {entry.method for entry in found})
    if unknown:
        known = ", ".join(sorted({entry.method for entry in found} - {""}))
        raise ConfigError(f"{root} has no fakes by {', '.join(unknown)}. It has: {known}.")
    return [
        entry
        for entry in _with_originals(found)
        if (not compression or entry.attributes["compression"] in compression)
        and (not method or entry.method in ("", *method))
    ]


def _entry(path: Path, root: Path, splits: Mapping[str, str], youtube: Mapping[str, str]) -> VideoEntry | None:
    name = _NAME.fullmatch(path.stem)
    folders = path.relative_to(root).parts[:-1]
    if not name or "masks" in folders:
        return None
    people = [number for number in name.groups() if number]
    methods = [folder for folder in folders if folder not in _NO_METHOD and folder not in _COMPRESSIONS]
    is_fake = len(people) == 2
    return VideoEntry(
        video_id=path.relative_to(root).as_posix(),
        path=path.absolute(),
        label=FAKE if is_fake else REAL,
        method=methods[-1] if is_fake and methods else "",
        identities=tuple(
            dict.fromkeys([ORIGINAL.format(one) for one in people] + [youtube[one] for one in people if one in youtube])
        ),
        split=splits.get(people[0], ""),
        attributes={"compression": compression_of(folders)},
    )


def compression_of(folders: Sequence[str]) -> str:
    """Returns c0, c23 or c40, or nothing if no folder on the way to a video says so."""
    return next((_COMPRESSIONS[folder] for folder in reversed(folders) if folder in _COMPRESSIONS), "")


def _with_originals(entries: Sequence[VideoEntry]) -> list[VideoEntry]:
    """Gives each fake the original of the same compression whose face was replaced."""
    originals = {
        (entry.identities[0], entry.attributes["compression"]): entry.video_id
        for entry in entries
        if entry.label == REAL
    }
    return [
        dataclasses.replace(
            entry, original_id=originals.get((entry.identities[0], entry.attributes["compression"]), "")
        )
        if entry.label == FAKE
        else entry
        for entry in entries
    ]


def _read_splits(root: Path, splits_dir: Path | None) -> dict[str, str]:
    """The split of every number that an official list names."""
    folders = [root / name for name in _LIST_FOLDERS] if splits_dir is None else [splits_dir]
    folder = next((one for one in folders if all((one / f"{split}.json").is_file() for split in SPLITS)), None)
    if folder is None:
        if splits_dir is not None:
            raise ConfigError(f"{splits_dir} must hold train.json, val.json and test.json.")
        return {}
    splits: dict[str, str] = {}
    for split in SPLITS:
        path = folder / f"{split}.json"
        for number in _numbers(read_json(path, list), path):
            if splits.setdefault(number, split) != split:
                raise DataError(f"{number} is in {splits[number]}.json and in {split}.json of {folder}.")
    return splits


def _numbers(pairs: Sequence[object], path: Path) -> Iterator[str]:
    for pair in pairs:
        if not isinstance(pair, list) or not all(isinstance(one, str) for one in pair):
            raise DataError(f'{path} must be a list of pairs such as ["000", "003"]. Received: {pair!r}')
        yield from pair


def _read_conversion(root: Path) -> dict[str, str]:
    """The YouTube video that each number was cut from: some were cut from the same one."""
    paths = (root / name / CONVERSION_NAME for name in _LIST_FOLDERS)
    path = next((one for one in paths if one.is_file()), None)
    if path is None:
        return {}
    return {number: f"youtube:{str(text).rpartition(' ')[0]}" for number, text in read_json(path, dict).items()}
