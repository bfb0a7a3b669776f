"""A table of videos, one row each, whose columns are named by flags."""

import argparse
import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import Example
from deepfake_tf.manifest import COLUMNS, VideoEntry, parse_identities, parse_label, read_table

EXAMPLE = Example(
    files={
        "table.csv": "path,kind,label,method,group,codec\n"
        "a.mp4,video,real,,x,h264\nb.mp4,video,fake,swap,x,h264\nc.jpg,photo,mixed,,y,jpeg\n",
        "a.mp4": "a",
        "b.mp4": "b",
        "c.jpg": "c",
    },
    root="table.csv",
    options={"where": ["kind=video"]},
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the layout's flags: one for each column of a manifest."""
    for name in COLUMNS:
        parser.add_argument(
            _flag(name), metavar="COLUMN", help=f"the table's column for {name} (default: {name!r}, if there is one)"
        )
    parser.add_argument("--video-root", type=Path, help="where relative paths begin (default: the table's folder)")
    parser.add_argument(
        "--where",
        action="append",
        metavar="COLUMN=VALUE",
        help="keeps only rows with this value, or with COLUMN!=VALUE only those without it; * stands for anything, | "
        "for or; may be given more than once",
    )


def find_videos(
    root: Path, *, where: Sequence[str] | None = None, video_root: Path | None = None, **columns: str | None
) -> list[VideoEntry]:
    """Returns a row for each row of a table.

    The column for `group` names identities: rows that share one stay in one split. Columns that are not asked for
    become attributes.

    Args:
        root: the table.
        where: conditions such as "kind=video" that every row must fulfil.
        video_root: where relative paths begin, the table's folder if None.
        **columns: by "<column of a manifest>_column", the table's name for it.

    Raises:
        ConfigError: there is no such table, a column that was asked for is not in it, or a condition is none.
        DataError: a row makes no sense, or none is left.
    """
    rows = read_table(root)
    names = _column_names(columns, list(rows[0]), root)
    kept = [(number, row) for number, row in enumerate(rows, start=1) if _fulfils(row, where or (), root)]
    if not kept:
        raise DataError(f"None of the {len(rows)} rows of {root} fulfils --where {' --where '.join(where or ())}.")
    folder = (video_root or root.parent).absolute()
    entries = []
    for number, row in kept:
        try:
            entries.append(_entry(row, names, folder))
        except DataError as error:
            raise DataError(
                f"Row {number} of {root}: {error}. Mend it, or leave such rows out (--where COLUMN!=VALUE)."
            ) from error
    return entries


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}-column"


def _column_names(columns: Mapping[str, str | None], known: Sequence[str], root: Path) -> dict[str, str]:
    """The table's name for each column of a manifest that it has."""
    names = {}
    for name in COLUMNS:
        asked_for = columns.get(f"{name}_column")
        wanted = asked_for or name
        if wanted in known:
            names[name] = wanted
        elif asked_for or name == "path":
            raise ConfigError(f"{root} has no column {wanted!r} ({_flag(name)}). It has: {', '.join(known)}.")
    return names


def _fulfils(row: Mapping[str, str], conditions: Sequence[str], root: Path) -> bool:
    for condition in conditions:
        column, equals, patterns = condition.partition("=")
        if not equals or column.rstrip("!") not in row:
            raise ConfigError(
                f"--where must be COLUMN=VALUE or COLUMN!=VALUE with a column of {root}. Received: {condition!r}. "
                f"Columns: {', '.join(row)}."
            )
        value = row[column.rstrip("!")]
        is_found = any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns.split("|"))
        if is_found == column.endswith("!"):
            return False
    return True


def _entry(row: Mapping[str, str], names: Mapping[str, str], folder: Path) -> VideoEntry:
    cells = {name: row[names[name]].strip() if name in names else "" for name in COLUMNS}
    if not cells["path"]:
        raise DataError("the path is empty")
    used = set(names.values())
    identities = dict.fromkeys((*parse_identities(cells["identities"]), *parse_identities(cells["group"])))
    return VideoEntry(
        video_id=cells["video_id"] or cells["path"],
        path=folder / cells["path"],
        label=parse_label(cells["label"]),
        dataset=cells["dataset"],
        method=cells["method"],
        identities=tuple(identities),
        original_id=cells["original_id"],
        split=cells["split"].lower(),
        sha256=cells["sha256"].lower(),
        # A column may be named like one of ours and yet mean something else, if another was asked for in its place.
        attributes={
            f"table_{name}" if name in COLUMNS else name: cell for name, cell in row.items() if name not in used
        },
    )
