"""A folder of shards while it is being filled: what it is made of, which shards are finished, and what gave nothing.

spec.json       the settings; written first, so that a folder with it belongs to one extraction
manifest.csv    the videos
train-00000-of-00016.tfrecord ...
.finished/      a file for each finished shard, until all are
failures.csv    the videos that gave no clips, and why
index.json      written last
"""

import csv
import dataclasses
import fcntl
import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deepfake_tf import atomic, manifest
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.records import INDEX_NAME, SPEC_NAME, DataIndex, ShardInfo, read_index, write_index
from deepfake_tf.schema import RECORD_VERSION, ClipSpec, Outcome

MANIFEST_NAME = "manifest.csv"
FAILURES_NAME = "failures.csv"
FINISHED_NAME = ".finished"
_BEFORE_IT_WAS_A_SETTING = {"faces_from_originals": False}
FAILURE_COLUMNS = ("video_id", "path", "outcome", "reason")


@dataclass(frozen=True)
class ShardSettings:
    """What the bytes of shards follow from, beside the manifest.

    Attributes:
        spec: how clips are made.
        videos_per_shard: at most; less is lost when a run is killed if it is small.
        faces_from_originals: a fake whose own real video (original_id) is in the manifest, with the same frames, is cut
            where the real one's faces are.
    """

    spec: ClipSpec
    videos_per_shard: int = 16
    faces_from_originals: bool = False

    def __post_init__(self) -> None:
        if self.videos_per_shard < 1:
            raise ConfigError(f"videos_per_shard must be 1 or more. Received: {self.videos_per_shard}")

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as plain JSON values."""
        return {
            "record_version": RECORD_VERSION,
            "clip_spec": self.spec.to_json(),
            "videos_per_shard": self.videos_per_shard,
            "faces_from_originals": self.faces_from_originals,
        }


@dataclass(frozen=True)
class Failure:
    """A video that gave no clips."""

    video_id: str
    path: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class FinishedShard:
    """A shard that is there, and what of its videos is not in it."""

    info: ShardInfo
    failures: tuple[Failure, ...]


class DataFolder:
    """A folder that one extraction at a time fills; a context manager that holds it.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_RDONLY)
        try:
            # The system lets go of it when the process dies, however it dies.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise ConfigError(
                f"Another extraction is filling {self.path}. Wait for it, or name another folder."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def claim(self, entries: Sequence[VideoEntry], settings: ShardSettings) -> None:
        """Makes the folder ours, or checks that it was made by the same settings from the same manifest.

        Videos that were moved since are looked for where they are now.

        Raises:
            ConfigError: it was not, or holds something else.
        """
        atomic.remove_partial(self.path)
        if not (self.path / SPEC_NAME).is_file():
            self._check_empty()
            manifest.write_manifest(entries, self.path / MANIFEST_NAME)
            atomic.write_whole(self.path / SPEC_NAME, _json_bytes(settings.to_json()))
        self._check_settings(settings)
        self._check_manifest(entries)
        atomic.remove_partial(self._finished_dir)

    def _check_empty(self) -> None:
        others = sorted(path.name for path in self.path.iterdir() if path.name != MANIFEST_NAME)
        if others:
            raise ConfigError(
                f"{self.path} holds other files ({', '.join(others[:3])}), and shards need a folder of their own. "
                "Name another."
            )

    def _check_settings(self, settings: ShardSettings) -> None:
        path = self.path / SPEC_NAME
        try:
            before = _BEFORE_IT_WAS_A_SETTING | _flat(json.loads(path.read_text()))
        except ValueError as error:
            raise DataError(f"{path} is damaged ({error}). {self._way_out}") from error
        now = _flat(settings.to_json())
        changes = [
            f"{name} {before.get(name)!r} -> {now.get(name)!r}"
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        ]
        if changes:
            raise ConfigError(f"{self.path} was made with other settings: {', '.join(changes)}. {self._way_out}")

    def _check_manifest(self, entries: Sequence[VideoEntry]) -> None:
        path = self.path / MANIFEST_NAME
        before = {entry.video_id: entry for entry in manifest.read_manifest(path)}
        now = {entry.video_id: entry for entry in entries}
        changed = [name for name in sorted({*before, *now}) if not _is_same(before.get(name), now.get(name))]
        if changed:
            raise ConfigError(
                f"{self.path} was made from another manifest: {len(changed)} videos differ, first {changed[0]!r}. "
                f"{self._way_out}"
            )
        if any(before[name].path != now[name].path for name in now):
            # What reads the videos again later looks for them where the manifest says.
            manifest.write_manifest(entries, path)

    @property
    def _way_out(self) -> str:
        return "Name another folder to keep these shards, or delete this one."

    @property
    def _finished_dir(self) -> Path:
        return self.path / FINISHED_NAME

    def index(self) -> DataIndex | None:
        """Returns the index if the extraction is finished and its shards are there in full length.

        Raises:
            DataError: a shard is missing or has another length.
        """
        if not (self.path / INDEX_NAME).is_file():
            return None
        index = read_index(self.path)
        for shard in (shard for shards in index.shards.values() for shard in shards):
            path = self.path / shard.name
            if not path.is_file() or path.stat().st_size != shard.num_bytes:
                raise DataError(f"{path} is missing or has another length than {INDEX_NAME} says. {self._way_out}")
        # A process that was killed between the index and the end has left it.
        self._remove_finished_dir()
        return index

    def finish_shard(self, shard: FinishedShard) -> None:
        """Notes that a shard is finished; its file is there already.

        Raises:
            DataError: it is not.
        """
        if not (self.path / shard.info.name).is_file():
            raise DataError(
                f"A shard was made elsewhere and is not in {self.path}. Every machine must see that folder, under the "
                "same path, on storage that all share."
            )
        self._finished_dir.mkdir(exist_ok=True)
        atomic.write_whole(self._finished_dir / f"{shard.info.name}.json", _json_bytes(dataclasses.asdict(shard)))

    def finished_shard(self, name: str) -> FinishedShard | None:
        """Returns a finished shard, None if it is not there, not finished or not what it was."""
        # Whatever is wrong with it, making it again is right.
        with suppress(OSError, ValueError, TypeError, KeyError):
            values = json.loads((self._finished_dir / f"{name}.json").read_text())
            shard = FinishedShard(
                info=ShardInfo(**values["info"]),
                failures=tuple(_failure(one) for one in values["failures"]),
            )
            if sha256_of(self.path / name) == shard.info.sha256:
                return shard
        return None

    def write_failures(self, failures: Sequence[Failure]) -> Path:
        """Writes failures.csv, by video_id; returns its path."""
        text = io.StringIO()
        writer = csv.DictWriter(text, FAILURE_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(one) for one in sorted(failures, key=lambda one: one.video_id))
        path = self.path / FAILURES_NAME
        atomic.write_whole(path, text.getvalue().encode())
        return path

    def finish(self, index: DataIndex) -> None:
        """Writes index.json and removes what only an unfinished folder needs."""
        # What was left half written on a machine that was lost meanwhile.
        atomic.remove_partial(self.path)
        write_index(self.path, index)
        self._remove_finished_dir()

    def _remove_finished_dir(self) -> None:
        if self._finished_dir.is_dir():
            shutil.rmtree(self._finished_dir)


def read_failures(data_dir: Path | str) -> list[Failure]:
    """Returns the videos that gave no clips.

    Raises:
        ConfigError: there is no failures.csv.
        DataError: it is no such table.
    """
    path = Path(data_dir) / FAILURES_NAME
    if not path.is_file():
        raise ConfigError(f"There is no {path}. Expected a folder of shards, made by pipelines.extract.")
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return [_failure(row) for row in csv.DictReader(file)]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged ({error}).") from error


def _failure(values: Mapping[str, str]) -> Failure:
    return Failure(values["video_id"], values["path"], Outcome(values["outcome"]), values["reason"])


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_same(before: VideoEntry | None, now: VideoEntry | None) -> bool:
    if before is None or now is None:
        return False
    if now.sha256:
        # Files that were moved are the same videos.
        before = dataclasses.replace(before, path=now.path)
    # An attribute that a row lacks is read back as an empty one.
    filled = [
        dataclasses.replace(one, attributes={k: v for k, v in one.attributes.items() if v}) for one in (before, now)
    ]
    return filled[0] == filled[1]


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "clip_spec"} | dict(values.get("clip_spec", {}))


def _json_bytes(values: object) -> bytes:
    return json.dumps(values, indent=2, sort_keys=True).encode() + b"\n"
