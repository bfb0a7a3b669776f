"""Clips to SequenceExample bytes and shard files, and back, without TensorFlow.

A shard is a TFRecord file: for each record its length (8 bytes, little endian), the length's masked CRC-32C (4), the
bytes, and their masked CRC-32C (4). The same clips give the same bytes, on every machine.
"""

import dataclasses
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from google.protobuf.message import DecodeError as MessageError
from numpy.typing import NDArray

from deepfake_tf import atomic
from deepfake_tf.crc32c import masked_crc32c
from deepfake_tf.errors import DataError
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.protos import wire_pb2
from deepfake_tf.schema import (
    KEY_BOX,
    KEY_CONFIDENCE,
    KEY_CROP,
    KEY_EXAMPLE_ID,
    KEY_FPS,
    KEY_FRAME_INDEX,
    KEY_GROUP,
    KEY_HEIGHT,
    KEY_KEYPOINTS,
    KEY_LABEL_INDEX,
    KEY_LABEL_STRING,
    KEY_MASK,
    KEY_SHARPNESS,
    KEY_TIMESTAMP,
    KEY_TRACK_ID,
    KEY_VERSION,
    KEY_VIDEO_ID,
    KEY_WIDTH,
    LABEL_NAMES,
    NO_LABEL,
    NUM_KEYPOINTS,
    RECORD_VERSION,
    SPLITS,
    Clip,
    ClipSpec,
    fingerprint,
)

if TYPE_CHECKING:
    # Only its type: reading shards must not load a video decoder.
    from deepfake_tf.decoding.video import VideoInfo

INDEX_NAME = "index.json"
SPEC_NAME = "spec.json"
NO_SPLIT = "none"
"""Where the clips of videos without a split lie."""

_HEAD = struct.Struct("<QI")
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Record:
    """One example: a clip and what is known of its video.

    Attributes:
        example_id: unique within a data set: "<video_id>/<clip_id>".
        video_id: of the manifest's row.
        label: REAL, FAKE or NO_LABEL.
        group: of the manifest's row.
        fps: of the video.
        width: of the video's frames as displayed, in pixels.
        height: likewise.
        clip: the crops and what is known of each.
    """

    example_id: str
    video_id: str
    label: int
    group: str
    fps: float
    width: int
    height: int
    clip: Clip


# One record ---------------------------------------------------------------------------------------------------------


def encode_clip(clip: Clip, entry: VideoEntry, spec: ClipSpec, info: "VideoInfo") -> bytes:
    """Returns the record of a clip, a serialised SequenceExample.

    Args:
        clip: made by the spec.
        entry: its video's row of the manifest.
        spec: says how many frames a clip has.
        info: of the video.

    Raises:
        ValueError: the clip has not as many frames as the spec says.
    """
    if len(clip.crops) != spec.num_frames:
        raise ValueError(f"A clip must have {spec.num_frames} crops. Received: {len(clip.crops)} in {clip.clip_id}")
    label = NO_LABEL if entry.label is None else entry.label
    example = wire_pb2.SequenceExample()
    context = example.context.feature
    _put_ints(context[KEY_VERSION], [RECORD_VERSION])
    _put_text(context[KEY_EXAMPLE_ID], f"{entry.video_id}/{clip.clip_id}")
    _put_text(context[KEY_VIDEO_ID], entry.video_id)
    _put_ints(context[KEY_TRACK_ID], [clip.track_id])
    _put_ints(context[KEY_LABEL_INDEX], [label])
    _put_text(context[KEY_LABEL_STRING], "" if label == NO_LABEL else LABEL_NAMES[label])
    _put_text(context[KEY_GROUP], entry.group)
    _put_floats(context[KEY_FPS], [info.fps])
    _put_ints(context[KEY_WIDTH], [info.width])
    _put_ints(context[KEY_HEIGHT], [info.height])
    _put_frames(example.feature_lists, clip)
    # Deterministic, or the order of a map's keys, and with it a shard's checksum, would change from run to run.
    return example.SerializeToString(deterministic=True)


def _put_frames(feature_lists: wire_pb2.FeatureLists, clip: Clip) -> None:
    lists = feature_lists.feature_list
    for number, crop in enumerate(clip.crops):
        lists[KEY_CROP].feature.add().bytes_list.value.append(crop)
        _put_ints(lists[KEY_MASK].feature.add(), [int(clip.mask[number])])
        _put_ints(lists[KEY_TIMESTAMP].feature.add(), [int(clip.timestamps_us[number])])
        _put_ints(lists[KEY_FRAME_INDEX].feature.add(), [int(clip.frame_indices[number])])
        _put_floats(lists[KEY_BOX].feature.add(), clip.boxes_xyxy_px[number].tolist())
        _put_floats(lists[KEY_KEYPOINTS].feature.add(), clip.keypoints_crop_px[number].ravel().tolist())
        _put_floats(lists[KEY_CONFIDENCE].feature.add(), [float(clip.confidences[number])])
        _put_floats(lists[KEY_SHARPNESS].feature.add(), [float(clip.sharpness[number])])


def _put_text(feature: wire_pb2.Feature, text: str) -> None:
    feature.bytes_list.value.append(text.encode())


def _put_ints(feature: wire_pb2.Feature, values: Sequence[int]) -> None:
    feature.int64_list.value.extend(values)


def _put_floats(feature: wire_pb2.Feature, values: Sequence[float]) -> None:
    feature.float_list.value.extend(values)


def decode_clip(data: bytes) -> Record:
    """Returns what `encode_clip` put into a record.

    Raises:
        DataError: the bytes are no record, or one of another version.
    """
    example = wire_pb2.SequenceExample()
    try:
        example.ParseFromString(data)
        return _record(example)
    except (MessageError, IndexError, ValueError) as error:
        raise DataError(f"The record is damaged ({error}). Extract the shard again.") from error


def _record(example: wire_pb2.SequenceExample) -> Record:
    context = example.context.feature
    version = _ints(context[KEY_VERSION])[0] if KEY_VERSION in context else None
    if version != RECORD_VERSION:
        raise DataError(
            f"The record has version {version}; this program reads version {RECORD_VERSION}. "
            "Extract the videos again, or use the deepfake-tf release that made the shard."
        )
    video_id = _text(context[KEY_VIDEO_ID])
    example_id = _text(context[KEY_EXAMPLE_ID])
    return Record(
        example_id=example_id,
        video_id=video_id,
        label=_ints(context[KEY_LABEL_INDEX])[0],
        group=_text(context[KEY_GROUP]),
        fps=context[KEY_FPS].float_list.value[0],
        width=_ints(context[KEY_WIDTH])[0],
        height=_ints(context[KEY_HEIGHT])[0],
        clip=_clip(example, example_id.removeprefix(f"{video_id}/")),
    )


def _clip(example: wire_pb2.SequenceExample, clip_id: str) -> Clip:
    lists = example.feature_lists.feature_list
    crops = tuple(feature.bytes_list.value[0] for feature in lists[KEY_CROP].feature)
    num_frames = len(crops)

    def ints(key: str) -> NDArray[np.int64]:
        return np.array([_ints(feature) for feature in lists[key].feature], np.int64).reshape(num_frames)

    def floats(key: str, *shape: int) -> NDArray[np.float32]:
        values = [feature.float_list.value for feature in lists[key].feature]
        return np.array(values, np.float32).reshape(num_frames, *shape)

    return Clip(
        clip_id=clip_id,
        track_id=_ints(example.context.feature[KEY_TRACK_ID])[0],
        crops=crops,
        mask=ints(KEY_MASK).astype(bool),
        timestamps_us=ints(KEY_TIMESTAMP),
        frame_indices=ints(KEY_FRAME_INDEX),
        boxes_xyxy_px=floats(KEY_BOX, 4),
        keypoints_crop_px=floats(KEY_KEYPOINTS, NUM_KEYPOINTS, 2),
        confidences=floats(KEY_CONFIDENCE),
        sharpness=floats(KEY_SHARPNESS),
    )


def _ints(feature: wire_pb2.Feature) -> Sequence[int]:
    return feature.int64_list.value


def _text(feature: wire_pb2.Feature) -> str:
    return feature.bytes_list.value[0].decode()


# Shard files --------------------------------------------------------------------------------------------------------


def write_shard(path: Path | str, records: Iterable[bytes]) -> int:
    """Writes a TFRecord file, whole or not at all: it takes its name once all records are in it.

    Args:
        path: the file; its folder is there.
        records: serialised records, in order. They are not all held in memory.

    Returns:
        The number of records.
    """
    num_records = 0
    with atomic.open_whole(Path(path)) as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + _CRC.pack(masked_crc32c(length)))
            file.write(record)
            file.write(_CRC.pack(masked_crc32c(record)))
            num_records += 1
    return num_records


def read_shard(path: Path | str) -> Iterator[bytes]:
    """Yields the records of a TFRecord file, each held against its checksum.

    Raises:
        DataError: the file is not there, is cut short, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no shard {path}.")
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            yield _read_record(file, head, path)


def _read_record(file: BinaryIO, head: bytes, path: Path) -> bytes:
    begin = file.tell() - len(head)
    if len(head) == _HEAD.size:
        length, length_crc = _HEAD.unpack(head)
        if masked_crc32c(head[:8]) == length_crc:
            data, crc = file.read(length), file.read(_CRC.size)
            if len(crc) == _CRC.size and masked_crc32c(data) == _CRC.unpack(crc)[0]:
                return data
    raise DataError(f"The shard {path} is damaged or cut short at byte {begin}. Delete it and extract again.")


# A folder of shards --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ShardInfo:
    """One finished shard.

    Attributes:
        name: of its file.
        num_videos: videos that it was made from, those that gave nothing included.
        num_clips: records in it.
        num_bytes: of the file.
        sha256: of the file, in hex.
    """

    name: str
    num_videos: int
    num_clips: int
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class DataIndex:
    """index.json: what a finished folder of shards holds.

    Attributes:
        spec: how the clips were made.
        shards: by split, in order; "none" for videos without a split.
        num_failed: videos that gave no clips; failures.csv says which, and why.
        record_version: format of the records.
    """

    spec: ClipSpec
    shards: Mapping[str, tuple[ShardInfo, ...]]
    num_failed: int = 0
    record_version: int = RECORD_VERSION

    def num_clips(self, split: str) -> int:
        """Returns the number of clips of a split, 0 if there are none."""
        return sum(shard.num_clips for shard in self.shards.get(split, ()))

    def fingerprint(self) -> str:
        """Returns 16 hex digits that are equal for equal spec and shards, whatever folder they lie in."""
        return fingerprint(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Returns the index as plain JSON values."""
        return dataclasses.asdict(self)


def write_index(data_dir: Path | str, index: DataIndex) -> None:
    """Writes index.json, the last file of a finished extraction."""
    text = json.dumps(index.to_json(), indent=2, sort_keys=True)
    atomic.write_whole(Path(data_dir) / INDEX_NAME, text.encode() + b"\n")


def read_index(data_dir: Path | str) -> DataIndex:
    """Returns the index of a folder of shards.

    Raises:
        DataError: there is none because extraction has not finished, or it is damaged or of another version.
    """
    path = Path(data_dir) / INDEX_NAME
    if not path.is_file():
        raise DataError(f"{data_dir} holds no finished extraction: {INDEX_NAME} is not there. Run pipelines.extract.")
    try:
        values = json.loads(path.read_text())
        version = values["record_version"]
        if version == RECORD_VERSION:
            shards = {
                split: tuple(ShardInfo(**shard) for shard in shards) for split, shards in values.pop("shards").items()
            }
            return DataIndex(spec=ClipSpec.from_json(values.pop("spec")), shards=shards, **values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged ({error}). Delete it and run pipelines.extract again.") from error
    raise DataError(
        f"{path} says that its records have version {version}; this program reads version {RECORD_VERSION}. "
        "Extract the videos again, or use the deepfake-tf release that made them."
    )


def shard_paths(data_dir: Path | str, split: str) -> list[Path]:
    """Returns the shards of a split, in order.

    Args:
        data_dir: a finished folder of shards.
        split: one of SPLITS, or NO_SPLIT.

    Raises:
        DataError: extraction has not finished, or the split has no shards.
    """
    index = read_index(data_dir)
    if not index.shards.get(split):
        found = ", ".join(name for name in (*SPLITS, NO_SPLIT) if index.shards.get(name))
        raise DataError(f"{data_dir} has no clips of split {split!r}. It has: {found or 'none'}.")
    return [Path(data_dir) / shard.name for shard in index.shards[split]]
