"""The table of videos, manifest.csv: one row per video, with its label, its group and its split."""

import csv
import dataclasses
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deepfake_tf import atomic
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.schema import FAKE, LABEL_NAMES, REAL, SPLITS

COLUMNS = ("video_id", "path", "label", "dataset", "method", "identities", "original_id", "group", "split", "sha256")
"""The columns that every manifest has, in order; any others are attributes."""

IDENTITY_SEPARATOR = ";"
OFFICIAL_SPLIT = "official_split"
"""The attribute that keeps the split that a data set's own lists give a video."""
SOURCE_GROUP = "source_group"
"""The attribute that says whose face a fake wears: the group of that person."""


@dataclass(frozen=True)
class VideoEntry:
    """One video.

    Attributes:
        video_id: unique within a manifest.
        path: the file, absolute in memory.
        label: REAL, FAKE or None.
        dataset: where it is from.
        method: how a fake was made.
        identities: all people and original videos that it was made from.
        original_id: video_id of its own real, if that is known.
        group: name of its connected component of identities; splits are by group. Empty until groups are assigned.
        split: one of SPLITS, or empty.
        sha256: of the file, in hex, or empty.
        attributes: what else is known (context, compression ...), kept through to the reports.
    """

    video_id: str
    path: Path
    label: int | None = None
    dataset: str = ""
    method: str = ""
    identities: tuple[str, ...] = ()
    original_id: str = ""
    group: str = ""
    split: str = ""
    sha256: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.video_id:
            raise DataError(f"A video needs a video_id. Received none for {self.path}")
        if self.label not in (None, REAL, FAKE):
            raise DataError(f"The label of {self.video_id} must be {REAL}, {FAKE} or empty. Received: {self.label!r}")
        if self.split not in ("", *SPLITS):
            expected = ", ".join(SPLITS)
            raise DataError(f"The split of {self.video_id} must be {expected} or empty. Received: {self.split!r}")
        wrong = sorted(set(self.attributes) & set(COLUMNS))
        if wrong:
            raise DataError(f"{self.video_id} has attributes with the name of a column: {', '.join(wrong)}")

    def as_row(self, folder: Path) -> dict[str, str]:
        """Returns the row of a manifest that lies in a folder: a file below it is named from there, others in full."""
        path = self.path.relative_to(folder) if self.path.is_relative_to(folder) else self.path
        columns = {
            "video_id": self.video_id,
            "path": path.as_posix(),
            "label": "" if self.label is None else str(self.label),
            "dataset": self.dataset,
            "method": self.method,
            "identities": IDENTITY_SEPARATOR.join(self.identities),
            "original_id": self.original_id,
            "group": self.group,
            "split": self.split,
            "sha256": self.sha256,
        }
        return columns | dict(self.attributes)


def parse_label(word: str) -> int | None:
    """Returns the label that a word of a table means: 0 or real, 1 or fake, nothing or unlabelled.

    Raises:
        DataError: it is none of these.
    """
    word = word.strip().lower()
    known: dict[str, int | None] = {"": None, "unlabelled": None, str(REAL): REAL, str(FAKE): FAKE}
    known |= {name: label for label, name in enumerate(LABEL_NAMES)}
    if word not in known:
        raise DataError(f"A label must be one of {', '.join(filter(None, known))} or empty. Received: {word!r}")
    return known[word]


def parse_identities(text: str) -> tuple[str, ...]:
    """Returns the names in a cell of identities, which semicolons part."""
    return tuple(name for part in text.split(IDENTITY_SEPARATOR) if (name := part.strip()))


# Reading and writing ------------------------------------------------------------------------------------------------


def read_table(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a CSV file with a head line, UTF-8.

    Raises:
        ConfigError: there is no such file.
        DataError: it is no such table, or empty.
    """
    if not path.is_file():
        raise ConfigError(f"There is no table {path}.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV table in UTF-8 ({error}).") from error
    if not rows:
        raise DataError(f"{path} has no rows. Expected a head line and a row per video.")
    for number, row in enumerate(rows, start=1):
        # csv puts surplus cells under None, and None into the cells of a row that is too short.
        if None in row or None in row.values():
            raise DataError(f"Row {number} of {path} has not as many cells as the head line.")
    return rows


def read_manifest(path: Path | str) -> list[VideoEntry]:
    """Reads manifest.csv.

    Raises:
        ConfigError: there is no such file.
        DataError: it is no manifest; the message names the row.
    """
    path = Path(path)
    rows = read_table(path)
    missing = [name for name in COLUMNS if name not in rows[0]]
    if missing:
        raise DataError(
            f"{path} is no manifest: it has no column {', '.join(missing)}. Make one with pipelines.manifest."
        )
    entries = []
    for number, row in enumerate(rows, start=1):
        try:
            entries.append(_entry(row, path.absolute().parent))
        except DataError as error:
            raise DataError(f"Row {number} of {path}: {error}") from error
    check_ids(entries)
    return entries


def _entry(row: Mapping[str, str], folder: Path) -> VideoEntry:
    known = {name: row[name] for name in COLUMNS}
    known |= {"label": parse_label(row["label"]), "identities": parse_identities(row["identities"])}  # type: ignore[dict-item]
    known |= {"path": folder / row["path"]}  # type: ignore[dict-item]
    attributes = {name: value for name, value in row.items() if name not in COLUMNS}
    return VideoEntry(**known, attributes=attributes)  # type: ignore[arg-type]


def write_manifest(entries: Sequence[VideoEntry], path: Path | str) -> None:
    """Writes manifest.csv, whole or not at all. The same entries give the same bytes.

    Raises:
        DataError: two entries have one video_id.
    """
    path = Path(path)
    check_ids(entries)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_whole(path, manifest_text(entries, path.absolute().parent).encode())


def manifest_text(entries: Sequence[VideoEntry], folder: Path) -> str:
    """Returns the text of a manifest that lies in a folder."""
    attributes = sorted({name for entry in entries for name in entry.attributes})
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, *attributes], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(entry.as_row(folder) for entry in entries)
    return text.getvalue()


def merge_manifests(manifests: Iterable[Sequence[VideoEntry]]) -> list[VideoEntry]:
    """Returns the rows of several manifests as one list. Their groups and splits have to be assigned again.

    Raises:
        DataError: two of them have different rows with one video_id.
    """
    merged: dict[str, VideoEntry] = {}
    for entry in (entry for entries in manifests for entry in entries):
        entry = dataclasses.replace(entry, group="", split="")
        if merged.setdefault(entry.video_id, entry) != entry:
            raise DataError(
                f"Two manifests have different videos with the video_id {entry.video_id!r}. "
                "Make them again, each with its own --dataset name."
            )
    return list(merged.values())


def check_ids(entries: Sequence[VideoEntry]) -> None:
    """Checks that every video_id occurs once.

    Raises:
        DataError: one occurs more often.
    """
    repeated = [video_id for video_id, count in Counter(entry.video_id for entry in entries).items() if count > 1]
    if repeated:
        raise DataError(f"{len(repeated)} video_ids occur more than once, the first is {repeated[0]!r}.")


# Looking ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """What a manifest holds.

    Attributes:
        num_videos: all of them.
        num_identities: people and originals in them.
        num_groups: groups that they belong to.
        largest_group: name of the group with the most videos, and their number.
        num_without_identity: videos of which no identity and no original is known.
        missing: entries whose file is not there.
        duplicates: entries with the same content, a tuple for each content that occurs more than once.
        contradictions: those of the duplicates whose labels differ.
    """

    num_videos: int
    num_identities: int
    num_groups: int
    largest_group: tuple[str, int]
    num_without_identity: int
    missing: tuple[VideoEntry, ...]
    duplicates: tuple[tuple[VideoEntry, ...], ...]
    contradictions: tuple[tuple[VideoEntry, ...], ...]


def summarise(entries: Sequence[VideoEntry]) -> Summary:
    """Counts what a manifest holds, and looks whether its files are there."""
    groups = Counter(entry.group for entry in entries)
    contents: dict[str, list[VideoEntry]] = defaultdict(list)
    for entry in entries:
        if entry.sha256:
            contents[entry.sha256].append(entry)
    duplicates = tuple(tuple(same) for same in contents.values() if len(same) > 1)
    return Summary(
        num_videos=len(entries),
        num_identities=len({(entry.dataset, name) for entry in entries for name in entry.identities}),
        num_groups=len(groups),
        largest_group=groups.most_common(1)[0] if groups else ("", 0),
        num_without_identity=sum(not entry.identities and not entry.original_id for entry in entries),
        missing=tuple(entry for entry in entries if not entry.path.exists()),
        duplicates=duplicates,
        contradictions=tuple(same for same in duplicates if len({entry.label for entry in same} - {None}) > 1),
    )


def label_word(entry: VideoEntry) -> str:
    """Returns "real", "fake" or "unlabelled"."""
    return "unlabelled" if entry.label is None else LABEL_NAMES[entry.label]
