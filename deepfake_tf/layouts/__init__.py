"""How data sets lie on disk: one file per layout, and what makes a manifest of any of them.

A layout offers

    find_videos(root, **options) -> list[VideoEntry]   path, label, method, identities, attributes ...; each video_id
                                                       is unique within the root
    add_flags(parser)                                  a flag for each of its options
    EXAMPLE                                            a tiny data set of its kind, for the contract test
"""

import argparse
import codecs
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, cast

from deepfake_tf import manifest, plugins, splits
from deepfake_tf.decoding.picture_files import picture_files
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.manifest import VideoEntry

VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv".split()
)

_HEAD_BYTES = 4096

SPLIT_BY = ("official", "group")

_Kind = TypeVar("_Kind", list[Any], dict[str, Any])


@dataclass(frozen=True)
class Example:
    """A tiny data set.

    Attributes:
        files: text by relative path.
        root: what `find_videos` is given, relative to the folder of the files.
        options: for `find_videos`.
    """

    files: Mapping[str, str]
    root: str = "."
    options: Mapping[str, Any] = field(default_factory=dict)


class Layout(Protocol):
    """What a file in this folder offers."""

    EXAMPLE: Example

    def find_videos(self, root: Path, **options: Any) -> list[VideoEntry]:
        """Returns a row for each video below the root."""

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Adds the layout's own flags."""


@dataclass(frozen=True)
class ManifestSettings:
    """What a manifest is made with, beside the layout's own options.

    Attributes:
        dataset: name of the data set; it goes in front of every video_id, so that manifests can be merged.
        split_by: "official": the data set's own lists where it has them; "group": all splits are assigned by group.
        shares: of train, val and test, among the videos whose splits are assigned.
        seed: of the splits.
        accept_official_leak: whether the official lists of a data set may share identities.
        allow_one_class: whether all labelled videos may have one label.
        skip_missing: whether videos that are listed and not there are left out.
        attributes: table of further facts on videos, with a column path (below the root) and others of any name.
        add: manifests whose videos are added; their groups and splits are assigned anew, together with the others.
    """

    dataset: str
    split_by: Literal["official", "group"] = "official"
    shares: tuple[float, ...] = splits.DEFAULT_SHARES
    seed: int = 0
    accept_official_leak: bool = False
    allow_one_class: bool = False
    skip_missing: bool = False
    attributes: Path | None = None
    add: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not self.dataset:
            raise ConfigError("A data set needs a name (--dataset NAME).")
        if self.split_by not in SPLIT_BY:
            raise ConfigError(f"split_by must be one of {', '.join(SPLIT_BY)}. Received: {self.split_by!r}")


def load_layout(name: str) -> Layout:
    """Returns a layout by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    return cast(Layout, plugins.load("layouts", name))


def make_manifest(
    layout: str,
    root: Path,
    out: Path,
    *,
    settings: ManifestSettings,
    options: Mapping[str, Any] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[VideoEntry]:
    """Finds the videos, hashes them, assigns groups and splits, and writes manifest.csv.

    Args:
        layout: name of a file in this folder.
        root: of the data set.
        out: the file to write; one with the same content is left as it is.
        settings: of the splits.
        options: of the layout.
        on_progress: called with the number of videos hashed and of all.

    Returns:
        The rows.

    Raises:
        ConfigError: the root is not there, or `out` holds another manifest.
        DataError: there are no videos, files are missing, or there is one class only.
        LeakError: the data set's own splits share identities.
    """
    if not root.exists():
        raise ConfigError(f"There is no {root}. Expected the root of a data set with layout {layout!r}.")
    added = [manifest.read_manifest(path) for path in settings.add]
    entries = _present(load_layout(layout).find_videos(root, **(options or {})), root, settings)
    if settings.attributes is not None:
        entries = _with_attributes(entries, settings.attributes, root)
    entries = [_in_dataset(entry, settings.dataset) for entry in entries]
    entries = manifest.merge_manifests([with_hashes(entries, on_progress), *added])
    _check_labels(entries, settings)
    entries = sorted(entries, key=lambda entry: entry.video_id)
    entries = _with_splits(splits.assign_groups(entries), settings)
    _write(entries, out)
    return entries


def _present(entries: list[VideoEntry], root: Path, settings: ManifestSettings) -> list[VideoEntry]:
    missing = [entry.path for entry in entries if not entry.path.exists()]
    if missing and not settings.skip_missing:
        raise DataError(
            f"{len(missing)} of {len(entries)} files are not there, the first is {missing[0]}. "
            "Say --skip-missing to leave such videos out."
        )
    present = [entry for entry in entries if entry.path not in set(missing)]
    if not present:
        raise DataError(f"{root} has no videos.")
    return present


def _check_labels(entries: Sequence[VideoEntry], settings: ManifestSettings) -> None:
    labels = {entry.label for entry in entries if entry.label is not None}
    if len(labels) == 1 and not settings.allow_one_class:
        only = manifest.label_word(next(entry for entry in entries if entry.label is not None))
        raise DataError(
            f"Every labelled video of {settings.dataset} is {only}; a model needs both classes. Add a manifest that "
            "has the others (--add), or, if this one is only for judging or merging, say --allow-one-class."
        )


def _with_attributes(entries: Sequence[VideoEntry], table: Path, root: Path) -> list[VideoEntry]:
    """Adds what a table says of videos, by their path below the root."""
    rows = {row.get("path", ""): row for row in manifest.read_table(table)}
    if "" in rows:
        raise DataError(f"{table} must have a column path, with each video's path below {root}.")
    folder = (root if root.is_dir() else root.parent).absolute()
    names = [
        entry.path.relative_to(folder).as_posix() if entry.path.is_relative_to(folder) else entry.path.as_posix()
        for entry in entries
    ]
    unknown = sorted(set(rows) - set(names))
    if unknown:
        raise DataError(f"{table} names {len(unknown)} videos that {root} has not, the first is {unknown[0]!r}.")
    columns = [name for name in next(iter(rows.values())) if name != "path"]
    return [
        dataclasses.replace(
            entry,
            attributes={**entry.attributes, **{column: rows.get(name, {}).get(column, "") for column in columns}},
        )
        for entry, name in zip(entries, names, strict=True)
    ]


def _in_dataset(entry: VideoEntry, dataset: str) -> VideoEntry:
    dataset = entry.dataset or dataset
    official = {manifest.OFFICIAL_SPLIT: entry.split} if entry.split else {}
    return dataclasses.replace(
        entry,
        video_id=f"{dataset}/{entry.video_id}",
        dataset=dataset,
        original_id=entry.original_id and f"{dataset}/{entry.original_id}",
        attributes={**entry.attributes, **official},
    )


def with_hashes(
    entries: Sequence[VideoEntry], on_progress: Callable[[int, int], None] | None = None
) -> list[VideoEntry]:
    """Returns the entries with the SHA-256 of their files, read where it is not there; several files at once."""
    report = on_progress or (lambda done, total: None)
    hashed: list[VideoEntry] = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        for sha256 in threads.map(lambda entry: entry.sha256 or _sha256(entry.path), entries):
            hashed.append(dataclasses.replace(entries[len(hashed)], sha256=sha256))
            report(len(hashed), len(entries))
    return hashed


def _sha256(path: Path) -> str:
    if path.is_dir():
        return hashlib.sha256("".join(_sha256(one) for one in picture_files(path)).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _with_splits(entries: list[VideoEntry], settings: ManifestSettings) -> list[VideoEntry]:
    if settings.split_by == "official":
        entries = [
            dataclasses.replace(entry, split=entry.attributes.get(manifest.OFFICIAL_SPLIT, "")) for entry in entries
        ]
    entries = splits.complete_splits(entries, shares=settings.shares, seed=settings.seed)
    splits.check_no_leak(entries, accept_official=settings.accept_official_leak)
    return entries


def _write(entries: Sequence[VideoEntry], out: Path) -> None:
    manifest.check_ids(entries)
    text = manifest.manifest_text(entries, out.absolute().parent).encode()
    if out.is_file() and out.read_bytes() == text:
        return
    if out.exists():
        raise ConfigError(f"{out} holds another manifest, and shards may be made from it. Name another, or delete it.")
    manifest.write_manifest(entries, out)


# For layouts --------------------------------------------------------------------------------------------------------


def video_files(folder: Path) -> list[Path]:
    """Returns the video files below a folder, by their endings, in order of their paths; hidden ones are left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    return sorted(path for path in found if not path.name.startswith(".") and path.is_file() and not _is_source(path))


def _is_source(path: Path) -> bool:
    """Whether a file is a program in TypeScript, whose endings are those of MPEG transport streams: it is text."""
    if path.suffix.lower() not in (".ts", ".mts"):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        # What is cut off in the midst of a letter is text too.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except (OSError, UnicodeDecodeError):
        return False
    return bool(head) and b"\0" not in head


def read_json(path: Path, kind: type[_Kind]) -> _Kind:
    """Returns what a JSON file holds.

    Args:
        path: the file.
        kind: what it must hold, list or dict.

    Raises:
        DataError: it is no JSON file, or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no JSON file that can be read ({error}).") from error
    if not isinstance(values, kind):
        raise DataError(f"{path} must hold a JSON {kind.__name__}. Received: a {type(values).__name__}")
    return values


def identities_by_regex(names: Sequence[str], group_regex: str) -> dict[str, tuple[str, ...]]:
    """Returns the people or originals in each path below a root: every group of parentheses that matches is one.

    Raises:
        ConfigError: the expression is none, or has no parentheses.
        DataError: it finds nothing in a path.
    """
    try:
        pattern = re.compile(group_regex)
    except re.error as error:
        raise ConfigError(f"--group-regex {group_regex!r} is no regular expression: {error}.") from error
    if not pattern.groups:
        raise ConfigError(f"--group-regex {group_regex!r} has no parentheses around what names a person or original.")
    matches = {name: pattern.search(name) for name in names}
    found = {name: tuple(part for part in match.groups() if part) for name, match in matches.items() if match}
    check_identities(found, names, f"--group-regex {group_regex!r}")
    return found


def check_identities(found: Mapping[str, tuple[str, ...]], names: Sequence[str], source: str) -> None:
    """Checks that every video has an identity.

    Raises:
        DataError: one has none.
    """
    without = [name for name in names if not found.get(name)]
    if without:
        raise DataError(
            f"{source} gives no identity for {len(without)} of {len(names)} videos, the first is {without[0]!r}. "
            "Each needs one, or its leaks go unchecked."
        )
