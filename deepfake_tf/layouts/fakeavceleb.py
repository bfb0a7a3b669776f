"""FakeAVCeleb: people of VoxCeleb2, real or fake in picture, sound or both.

    meta_data.csv      source, target1, target2, method, category, type, race, gender, path, and a column without a name
    FakeVideo-FakeAudio/African/men/id00076/00109_10_id00476_wavtolip.mp4

The column called path holds the file's name, the one without a name its folder. A label says whether the picture is
fake: RealVideo-FakeAudio is real here, and the attribute `type` keeps it apart. Some files are listed twice with
different methods; they get one row that names both. There are no official splits.
Khalid et al., "FakeAVCeleb: A Novel Audio-Video Multimodal Deepfake Dataset", NeurIPS 2021.
"""

import argparse
import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import Example
from deepfake_tf.manifest import VideoEntry, read_table
from deepfake_tf.schema import FAKE, REAL

TABLE_NAME = "meta_data.csv"
METHOD_SEPARATOR = "|"

_TYPES = {
    "RealVideo-RealAudio": REAL,
    "RealVideo-FakeAudio": REAL,
    "FakeVideo-RealAudio": FAKE,
    "FakeVideo-FakeAudio": FAKE,
}
_PERSON = re.compile(r"id\d+")

EXAMPLE = Example(
    files={
        "meta_data.csv": "source,target1,target2,method,category,type,race,gender,path,\n"
        "id00076,-,-,real,A,RealVideo-RealAudio,African,men,00109.mp4,"
        "FakeAVCeleb/RealVideo-RealAudio/African/men/id00076\n"
        "id00076,id00476,-,faceswap,C,FakeVideo-RealAudio,African,men,00109_id00476_9.mp4,"
        "FakeAVCeleb/FakeVideo-RealAudio/African/men/id00076\n",
        "RealVideo-RealAudio/African/men/id00076/00109.mp4": "a",
        "FakeVideo-RealAudio/African/men/id00076/00109_id00476_9.mp4": "b",
    }
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the layout's flags: it has none."""


def find_videos(root: Path) -> list[VideoEntry]:
    """Returns a row for each file that the table names.

    Args:
        root: of the data set, the folder of its table.

    Raises:
        ConfigError: there is no table.
        DataError: the table is another one, or contradicts itself.
    """
    path = root / TABLE_NAME
    if not path.is_file():
        raise ConfigError(f"{root} has no {TABLE_NAME}. Expected the root of FakeAVCeleb.")
    entries: dict[str, VideoEntry] = {}
    for number, row in enumerate(read_table(path), start=1):
        try:
            entry = _entry(row, root)
            entries[entry.video_id] = _joined(entries.get(entry.video_id, entry), entry)
        except (KeyError, DataError) as error:
            raise DataError(f"Row {number} of {path} is no row of FakeAVCeleb's table ({error}).") from error
    return [dataclasses.replace(entry, original_id=_original(entry, entries)) for entry in entries.values()]


def _entry(row: Mapping[str, str], root: Path) -> VideoEntry:
    kind = row["type"].strip()
    if kind not in _TYPES:
        raise DataError(f"the type is {kind!r}, expected one of {', '.join(_TYPES)}")
    file, folder = _file_and_folder(row)
    # The table's folders begin above the root.
    parts = PurePosixPath(folder).parts
    video_id = PurePosixPath(*parts[parts.index(kind) :], file).as_posix() if kind in parts else f"{folder}/{file}"
    people = (row["source"], row["target1"], row["target2"])
    return VideoEntry(
        video_id=video_id,
        path=(root / video_id).absolute(),
        label=_TYPES[kind],
        method=row["method"] if _TYPES[kind] == FAKE else "",
        identities=tuple(dict.fromkeys(f"voxceleb2:{one}" for one in people if _PERSON.fullmatch(one))),
        attributes={"type": kind, "race": row["race"], "gender": row["gender"]},
    )


def _file_and_folder(row: Mapping[str, str]) -> tuple[str, str]:
    return (row["filename"], row["path"]) if "filename" in row else (row["path"], row[""])


def _joined(known: VideoEntry, entry: VideoEntry) -> VideoEntry:
    """One row for two lines of the table that name the same file."""
    methods = sorted({*known.method.split(METHOD_SEPARATOR), entry.method} - {""})
    people = tuple(dict.fromkeys((*known.identities, *entry.identities)))
    return dataclasses.replace(known, method=METHOD_SEPARATOR.join(methods), identities=people)


def _original(entry: VideoEntry, entries: Mapping[str, VideoEntry]) -> str:
    """The real video that a fake was made from: same person, and its name begins with the other's."""
    path = PurePosixPath(entry.video_id)
    original = PurePosixPath("RealVideo-RealAudio", *path.parts[1:-1], f"{path.stem.split('_')[0]}.mp4").as_posix()
    return original if original in entries and original != entry.video_id else ""
