"""Extraction of a whole manifest into a folder of shards, wherever its tasks run.

One task is one shard: a fixed share of the videos of one split, in an order that follows from their names. Shards do
not depend on who makes them or when, so that a run that was killed goes on with the shards that are missing, and ends
with the same bytes as one that was not. A runner, one file in this folder, decides where the tasks run; it offers

    run(tasks, open_worker, *, settings, on_event)
"""

import dataclasses
import functools
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self, cast

from deepfake_tf import plugins
from deepfake_tf.data_folder import DataFolder, Failure, FinishedShard, ShardSettings, read_failures, sha256_of
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.records import NO_SPLIT, DataIndex, ShardInfo, encode_clip, write_shard
from deepfake_tf.schema import SPLITS, ClipSpec, Limits, Outcome
from deepfake_tf.splits import check_no_leak
from deepfake_tf.workers import WorkerPool


@dataclass(frozen=True)
class ShardTask:
    """One shard to be made.

    Attributes:
        name: of its file.
        split: of its videos, or NO_SPLIT.
        entries: its videos, in order.
        originals: the files whose faces are used for some of its fakes, by the fake's video_id.
    """

    name: str
    split: str
    entries: tuple[VideoEntry, ...]
    originals: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class VideoDone:
    """A runner's event: a video was extracted; its shard is still being made."""

    video_id: str
    outcome: Outcome
    num_clips: int


Event = VideoDone | FinishedShard
OnEvent = Callable[[Event], None]
Worker = Callable[[ShardTask, OnEvent], None]
"""Makes a shard and tells of each of its videos, then of the shard."""
OpenWorker = Callable[[], AbstractContextManager[Worker]]
"""Opens a worker; closing it, from whatever thread, also ends the work that it is at. It can be pickled."""


@dataclass(frozen=True)
class RunSettings:
    """How an extraction runs; nothing here changes the shards of videos that stay within the limits.

    Attributes:
        runner: name of a file in this folder.
        num_workers: videos worked on at a time, as many as there are processors to use if None.
        limits: on what one video may cost.
        max_failed_share: share of videos that may give no clips before the extraction fails, in [0, 1].
        accept_official_leak: whether the official lists of a data set may share identities, as some do.
        address: of the Ray cluster, for the runner ray; one that runs on this machine is found if None.
    """

    runner: str = "processes"
    num_workers: int | None = None
    limits: Limits = field(default_factory=Limits)
    max_failed_share: float = 0.5
    accept_official_leak: bool = False
    address: str | None = None

    def __post_init__(self) -> None:
        plugins.load("runners", self.runner)
        if self.num_workers is not None and self.num_workers < 1:
            raise ConfigError(f"num_workers must be 1 or more. Received: {self.num_workers}")
        if not 0 <= self.max_failed_share <= 1:
            raise ConfigError(f"max_failed_share must lie between 0 and 1. Received: {self.max_failed_share}")
        if self.address is not None and self.runner != "ray":
            raise ConfigError(f"An address is for the runner ray. Received: {self.address!r} for {self.runner!r}")


class Runner(Protocol):
    """What a file in this folder offers."""

    def run(
        self, tasks: Sequence[ShardTask], open_worker: OpenWorker, *, settings: RunSettings, on_event: OnEvent
    ) -> None:
        """Does all tasks; `on_event` is called on the caller's thread. The first error ends the run."""


@dataclass(frozen=True)
class Standing:
    """How far an extraction is.

    Attributes:
        num_videos: of the manifest.
        num_found: videos of shards that an earlier run had finished.
        num_done: videos that this run has extracted.
        num_clips: clips of all these.
        num_failed: videos of all these that gave no clips.
    """

    num_videos: int
    num_found: int = 0
    num_done: int = 0
    num_clips: int = 0
    num_failed: int = 0


@dataclass(frozen=True)
class Extracted:
    """What an extraction has made.

    Attributes:
        index: of the folder.
        failures: videos that gave no clips.
        was_finished: there was nothing left to do.
    """

    index: DataIndex
    failures: tuple[Failure, ...]
    was_finished: bool


def extract_manifest(
    entries: Sequence[VideoEntry],
    data_dir: Path | str,
    settings: ShardSettings,
    *,
    run: RunSettings | None = None,
    on_progress: Callable[[Standing], None] | None = None,
) -> Extracted:
    """Turns the videos of a manifest into shards, or goes on with what an earlier run has left.

    Args:
        entries: rows of the manifest; those without a label or a split are extracted too.
        data_dir: the folder to fill.
        settings: what the shards follow from.
        run: where the work is done, and its limits.
        on_progress: called after every video.

    Returns:
        What the folder holds now.

    Raises:
        ConfigError: the folder was made with other settings or from another manifest, or holds something else.
        DataError: there are no videos, files are missing, or too many videos gave no clips.
        LeakError: two splits share a source.
        AssetError: the face detector's weights are not there.
    """
    run = run or RunSettings()
    _check(entries)
    check_no_leak(entries, accept_official=run.accept_official_leak)
    with DataFolder(Path(data_dir)) as folder:
        folder.claim(entries, settings)
        index = folder.index()
        if index is not None:
            return Extracted(index, tuple(read_failures(folder.path)), was_finished=True)
        tasks = plan_shards(entries, settings.videos_per_shard, faces_from_originals=settings.faces_from_originals)
        finished = _make_shards(folder, tasks, settings.spec, run=run, on_progress=on_progress)
        return _finish(folder, tasks, finished, spec=settings.spec, max_failed_share=run.max_failed_share)


def _check(entries: Sequence[VideoEntry]) -> None:
    if not entries:
        raise DataError("The manifest has no videos.")
    missing = [entry.path for entry in entries if not entry.path.exists()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(entries)} files of the manifest are not there, the first is {missing[0]}. "
            "Make the manifest again (pipelines.manifest)."
        )


def plan_shards(
    entries: Sequence[VideoEntry], videos_per_shard: int, *, faces_from_originals: bool = False
) -> list[ShardTask]:
    """Returns the shards of each split: videos in order of the hash of their video_id, dealt out in turn.

    Args:
        entries: in any order.
        videos_per_shard: at most.
        faces_from_originals: whether fakes are cut where the faces of their own real videos are.
    """
    originals = _originals(entries) if faces_from_originals else {}
    by_split: dict[str, list[VideoEntry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: hashlib.sha256(entry.video_id.encode()).digest()):
        by_split[entry.split or NO_SPLIT].append(entry)
    tasks = []
    for split in (*SPLITS, NO_SPLIT):
        videos = by_split[split]
        num_shards = -(-len(videos) // videos_per_shard)
        for number in range(num_shards):
            share = tuple(videos[number::num_shards])
            tasks.append(
                ShardTask(
                    name=f"{split}-{number:05d}-of-{num_shards:05d}.tfrecord",
                    split=split,
                    entries=share,
                    originals={one.video_id: originals[one.video_id] for one in share if one.video_id in originals},
                )
            )
    return tasks


def _originals(entries: Sequence[VideoEntry]) -> dict[str, Path]:
    """The file of each fake's own real video, where the manifest has it."""
    paths = {entry.video_id: entry.path for entry in entries}
    return {
        entry.video_id: paths[entry.original_id]
        for entry in entries
        if entry.original_id in paths and entry.original_id != entry.video_id
    }


def _make_shards(
    folder: DataFolder,
    tasks: Sequence[ShardTask],
    spec: ClipSpec,
    *,
    run: RunSettings,
    on_progress: Callable[[Standing], None] | None,
) -> dict[str, FinishedShard]:
    """Makes the shards that are not there yet; returns all by name."""
    finished = {task.name: shard for task in tasks if (shard := folder.finished_shard(task.name))}
    standing = _standing(tasks, finished.values())

    def on_event(event: Event) -> None:
        nonlocal standing
        if isinstance(event, FinishedShard):
            folder.finish_shard(event)
            finished[event.info.name] = event
            return
        standing = dataclasses.replace(
            standing,
            num_done=standing.num_done + 1,
            num_clips=standing.num_clips + event.num_clips,
            num_failed=standing.num_failed + (event.outcome != Outcome.OK),
        )
        if on_progress is not None:
            on_progress(standing)

    if on_progress is not None:
        on_progress(standing)
    todo = [task for task in tasks if task.name not in finished]
    if todo:
        cast(Runner, plugins.load("runners", run.runner)).run(
            todo,
            functools.partial(ShardWorker, folder.path.absolute(), spec, run.limits),
            settings=run,
            on_event=on_event,
        )
    return finished


def _standing(tasks: Sequence[ShardTask], finished: Iterable[FinishedShard]) -> Standing:
    finished = list(finished)
    return Standing(
        num_videos=sum(len(task.entries) for task in tasks),
        num_found=sum(shard.info.num_videos for shard in finished),
        num_clips=sum(shard.info.num_clips for shard in finished),
        num_failed=sum(len(shard.failures) for shard in finished),
    )


def num_processors() -> int:
    """Returns the number of processors that this process may use."""
    # Not the machine's: in a container or under taskset there are fewer.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _finish(
    folder: DataFolder,
    tasks: Sequence[ShardTask],
    finished: Mapping[str, FinishedShard],
    *,
    spec: ClipSpec,
    max_failed_share: float,
) -> Extracted:
    failures = tuple(failure for task in tasks for failure in finished[task.name].failures)
    path = folder.write_failures(failures)
    num_videos = sum(len(task.entries) for task in tasks)
    if len(failures) > max_failed_share * num_videos:
        raise DataError(
            f"{len(failures)} of {num_videos} videos gave no clips, more than the share of {max_failed_share:g} that "
            f"is allowed: {path} says why. Accept it with --max-failed-share 1, or mend the cause and name a new one."
        )
    shards: dict[str, tuple[ShardInfo, ...]] = {}
    for task in tasks:
        shards[task.split] = (*shards.get(task.split, ()), finished[task.name].info)
    index = DataIndex(spec=spec, shards=shards, num_failed=len(failures))
    folder.finish(index)
    return Extracted(index, failures, was_finished=False)


class ShardWorker:
    """Makes shards, one video after the other in one worker process: one that kills it, or hangs, costs only itself.

    A context manager that gives itself; closing it ends the process whatever it is at.
    """

    def __init__(self, data_dir: Path, spec: ClipSpec, limits: Limits) -> None:
        self._data_dir, self._spec, self._limits = data_dir, spec, limits

    def __enter__(self) -> Self:
        # Here, because the decoder and the face detector are slow to load: flags and settings are checked without them.
        from deepfake_tf.extraction import warm_up

        self._pool = WorkerPool(1, limits=self._limits, initializer=functools.partial(warm_up, self._spec))
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.close()

    def __call__(self, task: ShardTask, on_event: OnEvent) -> None:
        """Makes a shard.

        Args:
            task: which.
            on_event: told of each video, then of the shard.
        """
        failures: list[Failure] = []
        path = self._data_dir / task.name
        num_clips = write_shard(path, self._records(task, failures, on_event))
        info = ShardInfo(
            name=task.name,
            num_videos=len(task.entries),
            num_clips=num_clips,
            num_bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )
        on_event(FinishedShard(info, tuple(failures)))

    def _records(self, task: ShardTask, failures: list[Failure], on_event: OnEvent) -> Iterator[bytes]:
        from deepfake_tf.extraction import extract_bounded

        for entry in task.entries:
            original = task.originals.get(entry.video_id)
            found = extract_bounded(self._pool, entry.path, self._spec, limits=self._limits, original=original)
            if found.outcome == Outcome.OK and found.video is not None:
                for clip in found.clips:
                    yield encode_clip(clip, entry, self._spec, found.video)
            else:
                reason = " ".join(found.reason.split())
                failures.append(Failure(entry.video_id, str(entry.path), found.outcome, reason))
            on_event(VideoDone(entry.video_id, found.outcome, len(found.clips)))
