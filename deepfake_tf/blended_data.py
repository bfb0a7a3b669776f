"""A folder of shards with blended fakes, made ahead of time: real clips, and beside each what was blended from it.

A fake is a clip blended with itself, with another person's face, or with its own face as an autoencoder draws it. The
reals are those of another folder of shards, or photographs whose heads are made to move. A fake is in the group and the
split of its real, which the manifest names, so that training can pair the two.
"""

import csv
import dataclasses
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import (
    atomic,
    autoencoders,
    crops,
    face_regions,
    faces,
    layouts,
    manifest,
    photographs,
    reconstructing,
    records,
    splits,
)
from deepfake_tf.autoencoders import Autoencoders
from deepfake_tf.blending import Blend, SelfBlend
from deepfake_tf.data_folder import FAILURE_COLUMNS, FAILURES_NAME, MANIFEST_NAME
from deepfake_tf.decoding.video import VideoInfo
from deepfake_tf.errors import ConfigError, DataError, VideoError
from deepfake_tf.manifest import SOURCE_GROUP, VideoEntry
from deepfake_tf.reconstructing import Reconstruction
from deepfake_tf.schema import FAKE, REAL, SPLITS, Clip, ClipSpec
from deepfake_tf.swapping import Face, FaceSwap

SELF_BLENDED = "self_blended"
SWAPPED = "swapped"
RECONSTRUCTED = "reconstructed"

SETTINGS_NAME = "blending.json"
FORMAT_VERSION = 2

OnProgress = Callable[[int, int], None]
"""Takes how many clips are done, and of how many."""


@dataclass(frozen=True)
class BlendSettings:
    """How the fakes are made.

    Attributes:
        fakes_per_clip: of each real clip; 0 for the reals alone, from which training blends its own.
        seed: of the blending, of heads' movement, and of the split of photographs.
        spec: of clips made from photographs.
        group_regex: for photographs, a regular expression whose groups of parentheses name the person in a file's name;
            every photograph is a person of its own if empty.
        swapped: put a face of another group and of the same split onto the clip, instead of its own. The source is a
            folder of shards.
        autoencoders: put the clip's own face back as one of these draws it. A folder; if they are not there, they learn
            from the source's faces of the split train first. The source is a folder of shards.
        autoencoder_epochs: how long they learn.
    """

    fakes_per_clip: int = 1
    seed: int = 0
    spec: ClipSpec = dataclasses.field(default_factory=ClipSpec)
    group_regex: str = ""
    swapped: bool = False
    autoencoders: Path | None = None
    autoencoder_epochs: int = 10

    def __post_init__(self) -> None:
        if self.fakes_per_clip < 0:
            raise ConfigError(f"fakes_per_clip must be 0 or more. Received: {self.fakes_per_clip}")
        if self.swapped and self.autoencoders:
            raise ConfigError("Faces are swapped or reconstructed, not both. Make two folders of fakes.")

    @property
    def method(self) -> str:
        """How the fakes are made."""
        return SWAPPED if self.swapped else RECONSTRUCTED if self.autoencoders else SELF_BLENDED


@dataclass(frozen=True)
class _Real:
    entry: VideoEntry
    info: VideoInfo
    clip: Clip


def blend_data(
    source: Path, out: Path, settings: BlendSettings, *, on_progress: OnProgress = lambda done, of: None
) -> records.DataIndex:
    """Makes a folder of shards of real clips and fakes blended from them.

    Args:
        source: a finished folder of shards, whose real clips are taken, or a folder of photographs.
        out: the folder to make; it appears whole or not at all. One that the same call made is left as it is.
        settings: how.
        on_progress: is told how far it is.

    Raises:
        ConfigError: `out` is there and was made otherwise, or the source is neither, or faces are to be swapped or
            reconstructed in photographs of which no shards were made.
        DataError: there are no real clips, or those of a split are all of one person whose face is to be swapped.
    """
    is_data = (source / records.INDEX_NAME).is_file()
    if not source.is_dir():
        raise ConfigError(f"{source} is no folder of shards made by pipelines.extract, and none of photographs.")
    if settings.method != SELF_BLENDED and not is_data:
        raise ConfigError(
            f"Faces are {settings.method} in clips of a folder of shards, and {source} is one of photographs. Make "
            "shards of it first, with fakes_per_clip=0."
        )
    origin = records.read_index(source).fingerprint() if is_data else photographs_digest(source)
    made_from = json.loads(json.dumps({"source": origin, **_told(settings)}))
    if out.exists():
        return _finished(out, made_from)
    partial = out.with_name(f".{out.name}{atomic.PARTIAL_SUFFIX}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    folder = _Writer(partial, settings, on_progress)
    (folder.add_data if is_data else folder.add_photographs)(source)
    index = folder.finish()
    atomic.write_whole(partial / SETTINGS_NAME, json.dumps(made_from, indent=2, sort_keys=True).encode())
    os.rename(partial, out)
    return index


def _told(settings: BlendSettings) -> dict[str, Any]:
    told = {"format_version": FORMAT_VERSION, **dataclasses.asdict(settings)}
    if settings.autoencoders:
        # They move with what is made by them.
        told["autoencoders"] = settings.autoencoders.name
    return told


def _finished(out: Path, made_from: dict) -> records.DataIndex:
    path = out / SETTINGS_NAME
    if not path.is_file() or json.loads(path.read_text()) != made_from:
        raise ConfigError(f"{out} is there already, made from other clips or by other settings. Name another folder.")
    return records.read_index(out)


class _Writer:
    """Fills a folder of shards, one shard a split."""

    def __init__(self, folder: Path, settings: BlendSettings, on_progress: OnProgress) -> None:
        self._folder, self._settings, self._on_progress = folder, settings, on_progress
        self._self_blend = SelfBlend()
        self._swap: FaceSwap | None = None
        self._reconstruct: Reconstruction | None = None
        self._spec = settings.spec
        self._entries: dict[str, VideoEntry] = {}
        self._sources: dict[str, str] = {}
        self._shards: dict[str, tuple[records.ShardInfo, ...]] = {}
        self._failures: list[tuple[str, str, str, str]] = []

    def add_data(self, source: Path) -> None:
        """Takes the real clips of a folder of shards."""
        index = records.read_index(source)
        self._spec = index.spec
        entries = {one.video_id: one for one in manifest.read_manifest(source / MANIFEST_NAME)}
        if self._settings.autoencoders:
            self._reconstruct = Reconstruction(self._open(self._settings.autoencoders, source, entries))
        for split in index.shards:
            shards = records.shard_paths(source, split)
            if self._settings.swapped:
                self._swap = FaceSwap([_face(one) for one in _read_reals(shards, entries)])
            self._write(split, _read_reals(shards, entries), index.num_clips(split))

    def add_photographs(self, source: Path) -> None:
        """Makes clips of photographs."""
        entries = self._in_splits(layouts.with_hashes(_entries_of(source)))
        detector = faces.open_detector(self._spec)
        for split in SPLITS:
            of_split = [one for one in entries if one.split == split]
            if of_split:
                self._write(split, self._read(of_split, detector), len(of_split))

    def finish(self) -> records.DataIndex:
        """Writes what describes the shards.

        Raises:
            DataError: there are none.
        """
        if not any(shard.num_clips for shards in self._shards.values() for shard in shards):
            raise DataError("The source holds no real clip to blend.")
        manifest.write_manifest(list(self._entries.values()), self._folder / MANIFEST_NAME)
        text = io.StringIO(newline="")
        csv.writer(text).writerows([FAILURE_COLUMNS, *self._failures])
        atomic.write_whole(self._folder / FAILURES_NAME, text.getvalue().encode())
        atomic.write_whole(self._folder / records.SPEC_NAME, json.dumps({"clip_spec": self._spec.to_json()}).encode())
        index = records.DataIndex(spec=self._spec, shards=self._shards, num_failed=len(self._failures))
        records.write_index(self._folder, index)
        return index

    def _open(self, folder: Path, source: Path, entries: Mapping[str, VideoEntry]) -> Autoencoders:
        if autoencoders.is_finished(folder):
            return Autoencoders(folder)
        found = [_face(one) for one in _read_reals(records.shard_paths(source, "train"), entries)]
        aligned = [reconstructing.align(one.crop[None], one.keypoints_px[None])[0] for one in found]
        epochs, seed = self._settings.autoencoder_epochs, self._settings.seed
        return autoencoders.learn(np.array(aligned), folder, epochs=epochs, seed=seed, on_progress=self._on_progress)

    def _write(self, split: str, reals: Iterable[_Real], total: int) -> None:
        path = self._folder / f"{split}-00000-of-00001.tfrecord"
        num_videos_before = len(self._entries)
        num_clips = records.write_shard(path, self._encoded(reals, total))
        if not num_clips:
            path.unlink()
            return
        num_videos = len(self._entries) - num_videos_before
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        self._shards[split] = (records.ShardInfo(path.name, num_videos, num_clips, len(data), digest),)

    def _encoded(self, reals: Iterable[_Real], total: int) -> Iterator[bytes]:
        for number, real in enumerate(reals):
            pixels = _decode(real.clip)
            # The real is compressed once more as well: two compressions against one would tell the classes apart.
            yield self._record(real, real.entry, pixels)
            for fake in range(self._settings.fakes_per_clip):
                # One for all clips of a video: a fake was made in one way.
                seed = _seed(self._settings.seed, real.entry.video_id, str(fake))
                # Fakes of several folders can be learned from together.
                name = f"{real.entry.video_id}~{self._settings.method}~{fake}"
                made = self._fake(real, pixels, seed, self._sources.get(name, ""))
                self._sources[name] = made.source
                entry = _fake_entry(real.entry, name, self._settings.method, made.source)
                yield self._record(real, entry, made.clip)
            self._on_progress(number + 1, total)

    def _fake(self, real: _Real, pixels: NDArray[np.uint8], seed: int, source: str) -> Blend:
        seen = {"keypoints_px": real.clip.keypoints_crop_px, "mask": real.clip.mask}
        if self._swap:
            return self._swap(pixels, seed, person=real.entry.group, source=source, **seen)
        return (self._reconstruct or self._self_blend)(pixels, seed, **seen)

    def _record(self, real: _Real, entry: VideoEntry, pixels: NDArray[np.uint8]) -> bytes:
        self._entries[entry.video_id] = entry
        old = real.clip.crops
        new = [crops.encode_jpeg(frame, self._spec) for frame in pixels]
        jpegs = tuple(new[i] if is_there else old[i] for i, is_there in enumerate(real.clip.mask))
        return records.encode_clip(dataclasses.replace(real.clip, crops=jpegs), entry, self._spec, real.info)

    def _in_splits(self, entries: Sequence[VideoEntry]) -> list[VideoEntry]:
        """A photograph that is there twice is one person's, whatever its names."""
        regex = self._settings.group_regex
        people = layouts.identities_by_regex([one.video_id for one in entries], regex) if regex else {}
        named = [dataclasses.replace(one, identities=people.get(one.video_id, ())) for one in entries]
        return splits.assign_splits(splits.assign_groups(named), seed=self._settings.seed)

    def _read(self, entries: Sequence[VideoEntry], detector: faces.Detector) -> Iterator[_Real]:
        for entry in entries:
            try:
                seed = _seed(self._settings.seed, entry.video_id)
                clip = photographs.read_clip(entry.path, self._spec, detector, moving=True, seed=seed)
            except VideoError as error:
                self._failures.append((entry.video_id, str(entry.path), error.outcome, str(error)))
                continue
            yield _Real(entry, _info(width=0, height=0, fps=25.0), clip)


def _decode(clip: Clip) -> NDArray[np.uint8]:
    decoded = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR_RGB) for one in clip.crops]
    return np.asarray(decoded, np.uint8)


def _read_reals(shards: Iterable[Path], entries: Mapping[str, VideoEntry]) -> Iterator[_Real]:
    found = (records.decode_clip(data) for path in shards for data in records.read_shard(path))
    return (_real(one, entries[one.video_id]) for one in found if one.label == REAL)


def _face(real: _Real) -> Face:
    """The first face of a clip."""
    pixels, mask = _decode(real.clip), np.asarray(real.clip.mask, bool)
    keypoints = face_regions.fill_in(real.clip.keypoints_crop_px, mask, len(pixels), pixels.shape[1])
    first = int(np.argmax(mask))
    return Face(pixels[first], keypoints[first], real.entry.group)


def _real(record: records.Record, entry: VideoEntry) -> _Real:
    return _Real(entry, _info(width=record.width, height=record.height, fps=record.fps), record.clip)


def _info(*, width: int, height: int, fps: float) -> VideoInfo:
    return VideoInfo(width=width, height=height, fps=fps, duration_sec=0.0, num_frames=0, codec="")


def _fake_entry(real: VideoEntry, name: str, method: str, source: str) -> VideoEntry:
    return dataclasses.replace(
        real,
        video_id=name,
        label=FAKE,
        method=method,
        original_id=real.video_id,
        sha256="",
        attributes={**real.attributes, SOURCE_GROUP: source} if source else real.attributes,
    )


def photographs_digest(folder: Path) -> str:
    """Returns 16 hex digits of all photographs in a folder, of their names and contents, wherever the folder lies.

    Raises:
        DataError: there are none.
    """
    text = "\n".join(f"{one.video_id} {one.sha256}" for one in layouts.with_hashes(_entries_of(folder)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_photographs(folder: Path, group_regex: str) -> None:
    """Refuses photographs of which no clips can be made.

    Raises:
        ConfigError: `group_regex` is no expression with parentheses.
        DataError: there are no photographs, or it finds nobody in the path of one.
    """
    entries = _entries_of(folder)
    if group_regex:
        layouts.identities_by_regex([one.video_id for one in entries], group_regex)


def _entries_of(folder: Path) -> list[VideoEntry]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in photographs.SUFFIXES)
    if not paths:
        suffixes = ", ".join(photographs.SUFFIXES)
        raise DataError(f"{folder} holds no photograph ({suffixes}), and so no real clip to learn from or to blend.")
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    return [VideoEntry(name, path, label=REAL, dataset=folder.name) for name, path in zip(names, paths, strict=True)]


def _seed(seed: int, *names: str) -> int:
    digest = hashlib.sha256("\n".join((str(seed), *names)).encode()).digest()
    return int.from_bytes(digest[:6], "little")
