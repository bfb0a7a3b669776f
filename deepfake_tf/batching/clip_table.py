"""The clips of some shards as a table: where each lies and what is known of it, without its pixels."""

import dataclasses
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from google.protobuf.message import DecodeError as MessageError
from numpy.typing import ArrayLike, NDArray

from deepfake_tf import records
from deepfake_tf.batching.frame_windows import MIDDLE, choose_frames
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.manifest import SOURCE_GROUP, VideoEntry, read_manifest
from deepfake_tf.protos import wire_pb2
from deepfake_tf.schema import (
    FAKE,
    KEY_CROP,
    KEY_EXAMPLE_ID,
    KEY_GROUP,
    KEY_KEYPOINTS,
    KEY_LABEL_INDEX,
    KEY_MASK,
    KEY_TRACK_ID,
    KEY_VERSION,
    KEY_VIDEO_ID,
    LABEL_NAMES,
    NO_LABEL,
    NUM_KEYPOINTS,
    REAL,
    RECORD_VERSION,
    ClipSpec,
)

# A TFRecord: length uint64, its CRC uint32, the record, its CRC uint32.
_HEADER = struct.Struct("<QI")
_FOOTER_BYTES = 4
_OF_ALL = ("spec", "num_stored", "shards")
# Enough for what is known of a clip; its crops follow.
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class ClipTable:
    """N clips, one row each.

    Attributes:
        spec: how the clips were made; its num_frames are those used of each.
        num_stored: frames of a clip in the shards.
        shards: the files they lie in.
        shard_numbers: int64 [N], which of them.
        offsets: int64 [N], where the record begins in its shard.
        num_bytes: int64 [N], its length.
        example_ids: N names, unique in a folder of shards.
        video_ids: N names.
        track_ids: int64 [N].
        labels: int64 [N], 0 real, 1 fake, -1 none.
        groups: N names.
        methods: N names of how a fake was made, from the manifest; empty for a real.
        datasets: N names, from the manifest.
        original_ids: N video ids of a fake's own real, from the manifest; empty if not known.
        face_groups: N groups of the people whose faces are shown: of whom the manifest says that a fake wears
            their face, or else its own.
    """

    spec: ClipSpec
    num_stored: int
    shards: tuple[Path, ...]
    shard_numbers: NDArray[np.int64]
    offsets: NDArray[np.int64]
    num_bytes: NDArray[np.int64]
    example_ids: tuple[str, ...]
    video_ids: tuple[str, ...]
    track_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    original_ids: tuple[str, ...]
    face_groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.example_ids)

    def num_batches(self, batch_size: int) -> int:
        """Returns how many batches an epoch has; the last may be smaller."""
        return -(-len(self) // batch_size)

    def label_counts(self) -> dict[str, int]:
        """Returns the number of clips of each label by its name."""
        return {LABEL_NAMES[label]: int(np.sum(self.labels == label)) for label in (REAL, FAKE)}

    def labelled(self) -> Self:
        """Returns the rows that have a label."""
        return self.select(np.flatnonzero(self.labels != NO_LABEL))

    def with_num_frames(self, num_frames: int) -> Self:
        """Returns the same clips, of which only so many frames are used; see frame_windows.py for which.

        Raises:
            ConfigError: fewer are stored.
        """
        if not 1 <= num_frames <= self.num_stored:
            raise ConfigError(
                f"num_frames must lie in [1, {self.num_stored}], the frames that a clip has in the shards. "
                f"Received: num_frames={num_frames}. For longer clips extract the videos again."
            )
        return dataclasses.replace(self, spec=dataclasses.replace(self.spec, num_frames=num_frames))

    def select(self, rows: ArrayLike) -> Self:
        """Returns some rows, in the order given.

        Args:
            rows: int [M].
        """
        rows = np.asarray(rows, np.int64)

        def pick(values: Any) -> Any:
            return values[rows] if isinstance(values, np.ndarray) else tuple(values[row] for row in rows)

        by_row = [one.name for one in dataclasses.fields(self) if one.name not in _OF_ALL]
        return dataclasses.replace(self, **{name: pick(getattr(self, name)) for name in by_row})

    def within(self, groups: set[str]) -> Self:
        """Returns the rows that show nobody but people of some groups, whoever's face they wear."""
        shown = zip(self.groups, self.face_groups, strict=True)
        return self.select([row for row, both in enumerate(shown) if groups.issuperset(both)])

    def shard_path(self, row: int) -> Path:
        """Returns the file that a clip lies in."""
        return self.shards[self.shard_numbers[row]]

    def read(self, row: int) -> tuple[tuple[bytes, ...], NDArray[np.bool_]]:
        """Reads one clip.

        Args:
            row: its number.

        Returns:
            T JPEG files and the mask, bool [T].

        Raises:
            DataError: the shard was changed or cut since the table was made.
        """
        crops, mask, _ = self.read_with_keypoints(row)
        return crops, mask

    def read_with_keypoints(self, row: int) -> tuple[tuple[bytes, ...], NDArray[np.bool_], NDArray[np.float32]]:
        """Reads one clip and where the face lies in it.

        Args:
            row: its number.

        Returns:
            T JPEG files, the mask, bool [T], and BlazeFace's key points, float32 [T, 6, 2], x and y in the crop.

        Raises:
            DataError: the shard was changed or cut since the table was made.
        """
        found = self.read_frames(row)
        return found.crops, found.mask, found.keypoints_px

    def read_frames(self, row: int, at: float = MIDDLE) -> "StoredFrames":
        """Reads those frames of a clip that are used.

        Args:
            row: its number.
            at: which frames, if not all are used; see choose_frames.

        Raises:
            DataError: the shard was changed or cut since the table was made.
        """
        path = self.shard_path(row)
        with path.open("rb") as file:
            file.seek(int(self.offsets[row]))
            data = file.read(int(self.num_bytes[row]))
        try:
            lists = wire_pb2.SequenceExample.FromString(data).feature_lists.feature_list
            mask = np.array([feature.int64_list.value[0] for feature in lists[KEY_MASK].feature], np.bool_)
            crops, points = lists[KEY_CROP].feature, lists[KEY_KEYPOINTS].feature
            if not len(crops) == len(mask) == len(points) == self.num_stored:
                raise ValueError(f"not all of {self.num_stored} frames are there")
            frames = self._frames_to_use(mask, at)
            # Whole lists at once: number by number NumPy takes longer than reading the file.
            values = [value for number in frames for value in points[number].float_list.value[:]]
            return StoredFrames(
                numbers=np.asarray(frames, np.int64),
                crops=tuple(crops[number].bytes_list.value[0] for number in frames),
                mask=mask[frames],
                keypoints_px=np.array(values, np.float32).reshape(len(frames), NUM_KEYPOINTS, 2),
            )
        except (MessageError, IndexError, ValueError) as error:
            raise DataError(f"A record in {path} is damaged ({error}). Delete the shard and extract again.") from error

    def _frames_to_use(self, mask: NDArray[np.bool_], at: float) -> Sequence[int]:
        if self.spec.num_frames == self.num_stored:
            return range(self.num_stored)
        return choose_frames(mask, self.spec.num_frames, self.spec.placement, at).tolist()


@dataclass(frozen=True)
class StoredFrames:
    """T frames of a clip as they are stored.

    Attributes:
        numbers: int64 [T], which of the stored frames these are.
        crops: T JPEG files.
        mask: bool [T], which of them are there.
        keypoints_px: float32 [T, 6, 2], x and y of BlazeFace's key points in the crop.
    """

    numbers: NDArray[np.int64]
    crops: tuple[bytes, ...]
    mask: NDArray[np.bool_]
    keypoints_px: NDArray[np.float32]


def list_clips(data_dir: Path | str, splits: Sequence[str]) -> ClipTable:
    """Reads the head of every record: what is known of the clips, and where each lies.

    Args:
        data_dir: a finished folder of shards.
        splits: whose clips to list, in this order.

    Raises:
        DataError: extraction has not finished, a split has no clips, or a shard is not there, damaged or of another
            version.
    """
    shards = [path for split in splits for path in records.shard_paths(data_dir, split)]
    entries = {one.video_id: one for one in read_manifest(Path(data_dir) / "manifest.csv")}
    table = _list_shards(shards, records.read_index(data_dir).spec, entries)
    if not len(table):
        raise DataError(f"{data_dir} has no clips of split {', '.join(splits)}: no face was found in its videos.")
    return table


def join_tables(tables: Sequence[ClipTable]) -> ClipTable:
    """Returns the rows of several tables, one after the other.

    Raises:
        DataError: the clips were not all made by one spec, or two share a name.
    """
    first = tables[0]
    if any((one.spec, one.num_stored) != (first.spec, first.num_stored) for one in tables):
        raise DataError("Clips made by different specs cannot be mixed. Extract all videos with the same settings.")
    names = [name for one in tables for name in one.example_ids]
    if len(set(names)) < len(names):
        raise DataError("Two folders hold clips of the same name. Merge the manifests and extract the videos together.")
    first_shards = np.cumsum([0, *(len(one.shards) for one in tables)])

    def join(name: str) -> Any:
        columns = [getattr(one, name) for one in tables]
        if isinstance(columns[0], np.ndarray):
            return np.concatenate(columns)
        return tuple(value for column in columns for value in column)

    joined = {one.name: join(one.name) for one in dataclasses.fields(first) if one.name not in _OF_ALL[:2]}
    joined["shard_numbers"] += np.repeat(first_shards[:-1], [len(one) for one in tables])
    return dataclasses.replace(first, **joined)


def _list_shards(shards: Sequence[Path], spec: ClipSpec, entries: Mapping[str, VideoEntry]) -> ClipTable:
    rows = [(number, *found) for number, path in enumerate(shards) for found in _scan(path)]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 8
    numbers, offsets, lengths, example_ids, video_ids, track_ids, labels, groups = columns
    unknown = sorted(set(video_ids) - set(entries))
    if unknown:
        raise DataError(f"The manifest beside the shards lacks {unknown[0]}. Extract the videos again.")
    return ClipTable(
        spec=spec,
        num_stored=spec.num_frames,
        shards=tuple(shards),
        shard_numbers=np.array(numbers, np.int64),
        offsets=np.array(offsets, np.int64),
        num_bytes=np.array(lengths, np.int64),
        example_ids=tuple(example_ids),
        video_ids=tuple(video_ids),
        track_ids=np.array(track_ids, np.int64),
        labels=np.array(labels, np.int64),
        groups=tuple(groups),
        methods=tuple(entries[name].method for name in video_ids),
        datasets=tuple(entries[name].dataset for name in video_ids),
        original_ids=tuple(entries[name].original_id for name in video_ids),
        face_groups=tuple(
            entries[name].attributes.get(SOURCE_GROUP) or own for name, own in zip(video_ids, groups, strict=True)
        ),
    )


def _scan(path: Path) -> Iterator[tuple[int, int, str, str, int, int, str]]:
    """Yields (offset, length, example id, video id, track id, label, group) of each record."""
    if not path.is_file():
        raise DataError(f"There is no shard {path}. Extract the videos again.")
    size = path.stat().st_size
    with path.open("rb") as file:
        offset = 0
        while offset < size:
            file.seek(offset)
            header = file.read(_HEADER.size)
            length = _HEADER.unpack(header)[0] if len(header) == _HEADER.size else size
            begin = offset + _HEADER.size
            offset = begin + length + _FOOTER_BYTES
            if offset > size:
                raise DataError(f"The shard {path} is damaged or cut short. Delete it and extract again.")
            yield (begin, length, *_describe(_read_context(file, length, path), path))


def _read_context(file: BinaryIO, length: int, path: Path) -> wire_pb2.Features:
    """Reads what is known of a clip as a whole, which lies in front of its crops."""
    head = file.read(min(length, _HEAD_BYTES))
    # The tag of field 1, and how long the field is: protobuf's variable-length integer.
    num_bytes, at = 0, 1
    while at < min(len(head), 6):
        num_bytes |= (head[at] & 0x7F) << 7 * (at - 1)
        at += 1
        if head[at - 1] < 0x80:
            break
    if not head.startswith(b"\x0a") or at + num_bytes > length:
        raise DataError(f"A record in {path} is damaged. Delete the shard and extract again.")
    head += file.read(max(0, at + num_bytes - len(head)))
    try:
        return wire_pb2.Features.FromString(head[at : at + num_bytes])
    except MessageError as error:
        raise DataError(f"A record in {path} is damaged ({error}). Delete the shard and extract again.") from error


def _describe(context: wire_pb2.Features, path: Path) -> tuple[str, str, int, int, str]:
    feature = context.feature
    version = feature[KEY_VERSION].int64_list.value[:]
    if version != [RECORD_VERSION]:
        raise DataError(
            f"A record in {path} has version {version}; this program reads version {RECORD_VERSION}. "
            "Extract the videos again, or use the deepfake-tf release that made the shard."
        )
    try:
        return (
            feature[KEY_EXAMPLE_ID].bytes_list.value[0].decode(),
            feature[KEY_VIDEO_ID].bytes_list.value[0].decode(),
            feature[KEY_TRACK_ID].int64_list.value[0],
            feature[KEY_LABEL_INDEX].int64_list.value[0],
            feature[KEY_GROUP].bytes_list.value[0].decode(),
        )
    except (IndexError, ValueError) as error:
        raise DataError(f"A record in {path} lacks what every clip has ({error}). Extract the videos again.") from error
