"""Folders named real/ and fake/, with optional sub-folders of fake/ by method.

Who is in a video comes from `groups.csv` in the root (columns path and group, one or more names parted by semicolons),
or from its name by a regular expression. Without either, identities are unknown and leaks go unchecked.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import VIDEO_SUFFIXES, Example, check_identities, identities_by_regex, video_files
from deepfake_tf.manifest import VideoEntry, parse_identities, read_table
from deepfake_tf.schema import LABEL_NAMES

GROUPS_NAME = "groups.csv"

EXAMPLE = Example(
    files={
        "real/000.mp4": "a",
        "real/003.mp4": "b",
        "fake/swap/000_003.mp4": "c",
        "fake/notes.txt": "no video",
        "groups.csv": "path,group\nreal/000.mp4,000\nreal/003.mp4,003\nfake/swap/000_003.mp4,000;003\n",
    }
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the layout's flags."""
    parser.add_argument(
        "--group-regex",
        help="finds the people or originals in a video's path below the root: every group of parentheses that matches "
        r"is one, for example '(\d{3})_(\d{3})'",
    )
    parser.add_argument(
        "--groups", type=Path, help=f"table with the columns path and group (default: {GROUPS_NAME} in the root)"
    )


def find_videos(root: Path, *, group_regex: str | None = None, groups: Path | None = None) -> list[VideoEntry]:
    """Returns a row for each video below root/real and root/fake, in order of their paths.

    Args:
        root: of the data set.
        group_regex: regular expression whose groups of parentheses are identities.
        groups: table of identities by path below the root; `groups.csv` in the root if there is one.

    Raises:
        ConfigError: the root is no such folder, or the expression is none.
        DataError: there are no videos, or one has no identity although a table or an expression was given.
    """
    folders = {label: root / name for label, name in enumerate(LABEL_NAMES)}
    if not any(folder.is_dir() for folder in folders.values()):
        raise ConfigError(f"{root} holds neither a folder real/ nor fake/. Expected videos in these two.")
    paths = {path: label for label, folder in folders.items() for path in video_files(folder)}
    if not paths:
        raise DataError(f"{root} has no videos in real/ and fake/. Known endings: {', '.join(sorted(VIDEO_SUFFIXES))}.")
    names = {path: path.relative_to(root).as_posix() for path in paths}
    identities = _identities(list(names.values()), root, group_regex, groups)
    return [
        VideoEntry(
            video_id=names[path],
            path=path.absolute(),
            label=label,
            method=_method(path, folders[label]) if label else "",
            identities=identities.get(names[path], ()),
        )
        for path, label in paths.items()
    ]


def _method(path: Path, folder: Path) -> str:
    parents = path.relative_to(folder).parts[:-1]
    return parents[0] if parents else ""


def _identities(
    names: list[str], root: Path, group_regex: str | None, groups: Path | None
) -> Mapping[str, tuple[str, ...]]:
    if group_regex is not None and groups is not None:
        raise ConfigError("--group-regex and --groups exclude each other.")
    if group_regex is not None:
        return identities_by_regex(names, group_regex)
    table = groups or root / GROUPS_NAME
    if groups is None and not table.is_file():
        return {}
    found = _by_table(table)
    check_identities(found, names, str(table))
    return found


def _by_table(path: Path) -> dict[str, tuple[str, ...]]:
    rows = read_table(path)
    missing = {"path", "group"} - set(rows[0])
    if missing:
        raise DataError(f"{path} has no column {', '.join(sorted(missing))}. It has: {', '.join(rows[0])}.")
    return {row["path"]: parse_identities(row["group"]) for row in rows}
