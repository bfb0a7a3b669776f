"""The DeepFake Detection Challenge (DFDC): folders of videos, each with a list of what is in it.

A part of the training set has a metadata.json: for each file its label (REAL or FAKE), its split, and the original that
a fake was made from. The validation and test sets have a labels.csv: filename and label, 1 for fake. Videos lie beside
their list or in a folder videos/ beside it. Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset", 2020.

Nobody in the videos is named, neither the actors nor whose face was put in, and the videos of a part may share them. So
whole parts stay together; with few parts at hand, `--group-by original` keeps only a fake with its original.
"""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import Example, read_json
from deepfake_tf.manifest import VideoEntry, parse_label, read_table

METADATA_NAME = "metadata.json"
LABELS_NAME = "labels.csv"

_SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}

EXAMPLE = Example(
    files={
        "dfdc_train_part_0/metadata.json": json.dumps(
            {
                "aa.mp4": {"label": "REAL", "split": "train"},
                "bb.mp4": {"label": "FAKE", "split": "train", "original": "aa.mp4"},
            }
        ),
        "dfdc_train_part_0/aa.mp4": "a",
        "dfdc_train_part_0/bb.mp4": "b",
        "test/labels.csv": "filename,label\ncc.mp4,0\ndd.mp4,1\n",
        "test/videos/cc.mp4": "c",
        "test/videos/dd.mp4": "d",
    }
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the layout's flags."""
    parser.add_argument(
        "--group-by",
        choices=("part", "original"),
        default="part",
        help="what stays in one split: a whole part, whose videos may share people, or a fake and its original",
    )


def find_videos(root: Path, *, group_by: Literal["part", "original"] = "part") -> list[VideoEntry]:
    """Returns a row for each listed video below the root.

    The splits are those of the lists, if they name more than one: parts that are all called train are not split yet.

    Args:
        root: a part, or a folder of parts.
        group_by: what stays in one split.

    Raises:
        ConfigError: there is no list below the root.
        DataError: a list cannot be read.
    """
    tables = sorted(root.rglob(LABELS_NAME))
    # The test set has both lists, and its table is the plain one.
    with_table = {path.parent for path in tables}
    lists = sorted(path for path in root.rglob(METADATA_NAME) if path.parent not in with_table)
    if not tables and not lists:
        raise ConfigError(f"{root} has no {METADATA_NAME} and no {LABELS_NAME}. Expected DFDC, or a part of it.")
    entries = [entry for path in lists for entry in _from_metadata(path, root)]
    entries += [entry for path in tables for entry in _from_table(path, root)]
    if group_by == "part":
        entries = [_with_part(entry) for entry in entries]
    if len({entry.split for entry in entries}) == 1:
        entries = [dataclasses.replace(entry, split="") for entry in entries]
    return entries


def _from_metadata(path: Path, root: Path) -> Iterator[VideoEntry]:
    for name, facts in read_json(path, dict).items():
        if not isinstance(facts, Mapping) or "label" not in facts:
            raise DataError(f"{path} gives no label for {name}. Expected a metadata.json of DFDC.")
        original = facts.get("original") or ""
        video_id = _video_id(path, name, root)
        yield VideoEntry(
            video_id=video_id,
            path=_video_path(path, name),
            label=parse_label(facts["label"]),
            identities=(_video_id(path, original, root) if original else video_id,),
            original_id=_video_id(path, original, root) if original else "",
            split=_split(facts.get("split") or "", path),
            attributes={"part": _part(path)},
        )


def _from_table(path: Path, root: Path) -> Iterator[VideoEntry]:
    for row in read_table(path):
        if not {"filename", "label"} <= set(row):
            raise DataError(f"{path} has no columns filename and label. It has: {', '.join(row)}.")
        video_id = _video_id(path, row["filename"], root)
        yield VideoEntry(
            video_id=video_id,
            path=_video_path(path, row["filename"]),
            label=parse_label(row["label"]),
            identities=(video_id,),
            split=_split(_part(path), path),
            attributes={"part": _part(path)},
        )


def _with_part(entry: VideoEntry) -> VideoEntry:
    return dataclasses.replace(entry, identities=(*entry.identities, entry.attributes["part"]))


def _part(path: Path) -> str:
    return path.absolute().parent.name


def _video_id(path: Path, name: str, root: Path) -> str:
    return (path.parent.relative_to(root) / name).as_posix()


def _video_path(path: Path, name: str) -> Path:
    beside = path.absolute().parent
    in_folder = beside / "videos" / name
    return in_folder if in_folder.is_file() else beside / name


def _split(word: str, path: Path) -> str:
    """The split that a list or its folder names: "" for a folder of another name."""
    return _SPLITS.get(word.lower(), "")
