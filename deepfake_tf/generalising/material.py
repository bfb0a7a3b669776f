"""From a manifest and a folder of photographs to the clips that a detector learns from and is measured on.

    WORK/clips-<spec>/videos/         every labelled video; matched pairs in the split test, the others in train
    WORK/clips-<spec>/photographs/    a clip each, of a face that moves a little if it has several frames; all real
    WORK/clips-<spec>/self_blended/   the same and fakes blended from each with itself
    WORK/clips-<spec>/swapped/        the same and fakes with faces of other photographs
    WORK/clips-<spec>/reconstructed/  the same and fakes whose own face was drawn by an autoencoder
    WORK/clips-<spec>/autoencoders/   learned from the photographs of the split train
    WORK/clips-<spec>/of_videos/      the three folders of fakes once more, made from the real videos

A pair is matched if a fake lies beside its own real, in scene and codec its equal: the real is that of `original_id`,
or else of the same group. People of the photographs outside the split train are held out: ingredients are chosen by
fakes of those in val, and what was chosen is measured on fakes of those in test.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from deepfake_tf import manifest
from deepfake_tf.batching.clip_table import ClipTable, join_tables, list_clips
from deepfake_tf.batching.sampling import find_own_reals
from deepfake_tf.blended_data import RECONSTRUCTED, SELF_BLENDED, SWAPPED, BlendSettings, blend_data
from deepfake_tf.data_folder import ShardSettings
from deepfake_tf.errors import DataError
from deepfake_tf.generalising.ingredients import Recipe
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.records import read_index
from deepfake_tf.runners import RunSettings, extract_manifest
from deepfake_tf.schema import FAKE, REAL, SPLITS, ClipSpec

OnProgress = Callable[[int, int], None]
"""Takes how many are done, and of how many."""

KINDS = (SELF_BLENDED, SWAPPED, RECONSTRUCTED)
"""Of fakes that are made from photographs."""

# As many as make a face stand beside others than once.
FAKES_PER_PHOTOGRAPH = 4

GROUP_REGEX = r"(.+?)(?:_\d+)?$"
"""Names the person in a photograph's path: what stands before a number at the end."""


def sort_out(entries: Sequence[VideoEntry]) -> list[VideoEntry]:
    """Returns the labelled videos, matched pairs and their whole groups in the split test, the others in train.

    Raises:
        DataError: there are fewer than two groups with pairs, or than two with a real beside them.
    """
    labelled = [one for one in entries if one.label is not None]
    matched = _matched_groups(labelled)
    others = {one.group for one in labelled if one.label == REAL} - matched
    # Faces are swapped between groups.
    if min(len(matched), len(others)) < 2:
        raise DataError(
            "The manifest needs two groups or more with matched pairs (a fake and a real in one group) to measure on, "
            f"and reals of two other groups or more to learn from. Received: {len(matched)} groups with pairs, "
            f"{len(others)} others with reals, {len(labelled)} labelled videos."
        )
    return [dataclasses.replace(one, split="test" if one.group in matched else "train") for one in labelled]


def _matched_groups(entries: Sequence[VideoEntry]) -> set[str]:
    real, fake = ({one.group for one in entries if one.label == label and one.group} for label in (REAL, FAKE))
    return real & fake


@dataclass(frozen=True)
class Material:
    """The clips of one spec.

    Attributes:
        folder: where they lie.
    """

    folder: Path

    @cached_property
    def videos(self) -> ClipTable:
        """Clips of all labelled videos."""
        return list_clips(self.videos_dir, _splits_of(self.videos_dir)).labelled()

    @cached_property
    def photographs(self) -> ClipTable:
        """Clips of all photographs."""
        folder = self.folder / "photographs"
        return list_clips(folder, _splits_of(folder))

    def make_fakes(self, on_progress: OnProgress) -> None:
        """Makes fakes of every kind from the photographs; those that are there are left as they are.

        Raises:
            DataError: the photographs are of too few people to hold some out.
        """
        found = _splits_of(self.folder / "photographs")
        if set(found) != set(SPLITS):
            raise DataError(
                f"Photographs of {len(set(self.photographs.groups))} people are too few: some are learned from, "
                f"ingredients are chosen by others and measured on a third part. Received: {', '.join(found)}; "
                f"expected {', '.join(SPLITS)}. Add photographs, or say with --group-regex what names a person in a "
                "photograph's path."
            )
        for kind in KINDS:
            self._make(kind, on_progress)
        for kind in KINDS:
            self._make_of_videos(kind, on_progress)

    def _make(self, kind: str, on_progress: OnProgress = lambda done, of: None) -> Path:
        settings = self._settings(kind, FAKES_PER_PHOTOGRAPH)
        blend_data(self.folder / "photographs", self.folder / kind, settings, on_progress=on_progress)
        return self.folder / kind

    def _make_of_videos(self, kind: str, on_progress: OnProgress = lambda done, of: None) -> Path:
        folder = self.folder / "of_videos" / kind
        folder.parent.mkdir(exist_ok=True)
        blend_data(self.videos_dir, folder, self._settings(kind, 1), on_progress=on_progress)
        return folder

    def _settings(self, kind: str, number: int) -> BlendSettings:
        return BlendSettings(
            fakes_per_clip=number,
            spec=self.photographs.spec,
            swapped=kind == SWAPPED,
            autoencoders=self.folder / "autoencoders" if kind == RECONSTRUCTED else None,
        )

    def made(self, kind: str, splits: Sequence[str] = SPLITS) -> ClipTable:
        """Returns the photographs of some splits and the fakes of a kind, which are made if they are not there."""
        folder = self._make(kind)
        return list_clips(folder, [one for one in _splits_of(folder) if one in splits])

    def held_out(self, split: str) -> ClipTable:
        """Returns the photographs of a split and fakes of every kind, as many of each."""
        return _beside([self.made(kind, [split]) for kind in KINDS])

    def made_of_videos(self, kind: str) -> ClipTable:
        """Returns the real videos, compressed once more, and a fake of each of a kind, made if they are not there."""
        folder = self._make_of_videos(kind)
        return list_clips(folder, _splits_of(folder))

    @cached_property
    def of_videos(self) -> ClipTable:
        """The real videos, compressed once more, and a fake of each kind of each."""
        return _beside([self.made_of_videos(kind) for kind in KINDS])

    @cached_property
    def groups_held_out(self) -> list[str]:
        """Groups that no rung learns from: those of matched pairs, and people outside the photographs' split train."""
        people = list_clips(self.folder / "photographs", [one for one in SPLITS if one != "train"]).groups
        return sorted({*self.matched.groups, *people})

    @property
    def videos_dir(self) -> Path:
        """The shards of the videos."""
        return self.folder / "videos"

    @property
    def fingerprint(self) -> str:
        """Of all clips."""
        return "-".join(read_index(self.folder / name).fingerprint() for name in ("videos", "photographs"))

    @cached_property
    def matched(self) -> ClipTable:
        """Clips of fakes that have a real of their own, and of these reals."""
        own = find_own_reals(self.videos)
        rows = {row for fake, reals in own.items() if len(reals) for row in (fake, *reals.tolist())}
        ids = {self.videos.video_ids[row] for row in rows}
        return self.videos.select([row for row, name in enumerate(self.videos.video_ids) if name in ids])

    def check_pairs(self) -> None:
        """Refuses videos by which nothing can be measured; their faces may not have been found.

        Raises:
            DataError: fewer than two groups have a real and its fake.
        """
        num_groups = len(set(self.matched.groups))
        if num_groups < 2:
            raise DataError(
                f"Faces were found in matched pairs of {num_groups} groups only, and two or more are needed to measure "
                f"on. What could not be read, and why: {self.videos_dir / 'failures.csv'}"
            )

    def mislabelled(self, seed: int) -> ClipTable:
        """Returns clips of photographs and of self-blends of each, kept as files, with labels that were shuffled."""
        clips = self.made(SELF_BLENDED)
        return dataclasses.replace(clips, labels=np.random.default_rng(seed).permutation(clips.labels))

    def to_learn_from(self, recipe: Recipe, held_out: Sequence[str]) -> ClipTable:
        """Returns the clips of a training.

        Args:
            recipe: says whether photographs, real videos and fakes are among them.
            held_out: groups that are not, nor any other fake of the methods of their videos.

        Raises:
            DataError: nothing is left, or no fakes of other methods that the recipe wants.
        """
        kinds = [kind for kind, wanted in ((SWAPPED, recipe.swapped), (RECONSTRUCTED, recipe.reconstructed)) if wanted]
        parts, groups = [], set(held_out)
        if recipe.photographs:
            parts.append(_beside([self.made(kind) for kind in kinds]) if kinds else self.photographs)
        if recipe.videos:
            # Reals are compressed once more where their fakes are.
            parts.append(_beside([self.made_of_videos(kind) for kind in kinds]) if kinds else _reals(self.videos))
        if recipe.real_fakes:
            parts.append(self._real_fakes(groups))
        clips = join_tables(parts)
        shown = zip(clips.groups, clips.face_groups, strict=True)
        outside = np.array([not {own, face} & groups for own, face in shown])
        if not np.any(outside):
            raise DataError("No clips are left to learn from. Add photographs, or real videos of other groups.")
        return clips.select(np.flatnonzero(outside))

    def _real_fakes(self, groups: set[str]) -> ClipTable:
        """The fakes of other methods than those of the videos in some groups."""
        fakes = _fakes(self.videos)
        gone = {method for method, group in zip(fakes.methods, fakes.groups, strict=True) if group in groups}
        kept = np.flatnonzero([method not in gone for method in fakes.methods])
        if not len(kept):
            raise DataError(
                "No fakes of other methods are left to learn from: all in the manifest are of methods whose videos are "
                f"held out ({', '.join(sorted(gone))}). Add fakes of others, or leave real_fakes out."
            )
        return fakes.select(kept)


def cut_clips(
    entries: Sequence[VideoEntry],
    photographs: Path,
    work: Path,
    spec: ClipSpec,
    on_progress: OnProgress,
    group_regex: str = GROUP_REGEX,
) -> Material:
    """Makes the clips of all videos and photographs; what is finished is left as it is.

    Args:
        entries: what `sort_out` returned.
        photographs: a folder of pictures of real faces.
        work: the folder in which the clips' folder is made.
        spec: how clips are cut.
        on_progress: is told how far it is.
        group_regex: names the person in a photograph's path.

    Raises:
        DataError: fewer than two groups with a real and its fake are left of what could be read.
    """
    folder = work / f"clips-{spec.fingerprint()}"
    folder.mkdir(parents=True, exist_ok=True)
    extract_manifest(
        entries,
        folder / "videos",
        ShardSettings(spec, videos_per_shard=8),
        run=RunSettings(max_failed_share=1.0),
        on_progress=lambda at: on_progress(at.num_found + at.num_done, at.num_videos),
    )
    pictures = BlendSettings(fakes_per_clip=0, spec=spec, group_regex=group_regex)
    blend_data(photographs, folder / "photographs", pictures, on_progress=on_progress)
    material = Material(folder)
    material.check_pairs()
    return material


def read_entries(path: Path) -> list[VideoEntry]:
    """Reads a manifest and sorts its videos out."""
    return sort_out(manifest.read_manifest(path))


def _beside(tables: Sequence[ClipTable]) -> ClipTable:
    """The reals of the first table and the fakes of all of them."""
    return join_tables([*tables[:1], *map(_fakes, tables[1:])])


def _fakes(clips: ClipTable) -> ClipTable:
    return clips.select(np.flatnonzero(clips.labels == FAKE))


def _reals(clips: ClipTable) -> ClipTable:
    return clips.select(np.flatnonzero(clips.labels == REAL))


def _splits_of(folder: Path) -> list[str]:
    there = read_index(folder).shards
    return [split for split in SPLITS if there.get(split)]
