"""From a manifest and a folder of photographs to the clips that a detector learns from and is measured on.

    WORK/clips-<spec>/videos/         every labelled video; matched pairs in the split test, the others in train
    WORK/clips-<spec>/photographs/    a clip of one frame each, all real
    WORK/clips-<spec>/blended/        the same and a self-blend of each, for a check with shuffled labels
    WORK/clips-<spec>/swapped/        the same and fakes with faces of other photographs, where a recipe asks for them
    WORK/clips-<spec>/reconstructed/  the same and fakes whose own face was drawn by an autoencoder, likewise
    WORK/clips-<spec>/autoencoders/   learned from the photographs of the split train

A pair is matched if a fake lies beside its own real, in scene and codec its equal, so that only the face tells them
apart: the real is that of `original_id`, or else of the same group.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from deepfake_tf import manifest
from deepfake_tf.batching.clip_table import ClipTable, join_tables, list_clips
from deepfake_tf.batching.sampling import find_own_reals
from deepfake_tf.blended_data import BlendSettings, blend_data
from deepfake_tf.data_folder import ShardSettings
from deepfake_tf.errors import DataError
from deepfake_tf.generalising.ingredients import Recipe
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.records import read_index
from deepfake_tf.runners import RunSettings, extract_manifest
from deepfake_tf.schema import FAKE, REAL, SPLITS, ClipSpec

OnProgress = Callable[[int, int], None]
"""Takes how many are done, and of how many."""

# As many as make a face stand beside others than once.
FAKES_PER_PHOTOGRAPH = 4

# With which photographs of one person are told from their names: what stands before a number at the end.
PERSON_REGEX = r"(.+?)(?:_\d+)?$"


def sort_out(entries: Sequence[VideoEntry]) -> list[VideoEntry]:
    """Returns the labelled videos, matched pairs and their whole groups in the split test, the others in train.

    Raises:
        DataError: there are no matched pairs, or nothing real beside them.
    """
    labelled = [one for one in entries if one.label is not None]
    matched = _matched_groups(labelled)
    sorted_out = [dataclasses.replace(one, split="test" if one.group in matched else "train") for one in labelled]
    if not matched or not any(one.split == "train" and one.label == REAL for one in sorted_out):
        raise DataError(
            "The manifest needs matched pairs (a fake and a real in one group) to "
            f"measure on, and reals of other groups to learn from. Received: {len(matched)} groups with pairs, "
            f"{len(labelled)} labelled videos."
        )
    return sorted_out


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

    @cached_property
    def swapped(self) -> ClipTable:
        """Clips of all photographs and of fakes with faces of other people, made when they are first asked for."""
        return self._with_fakes("swapped", swapped=True)

    @cached_property
    def reconstructed(self) -> ClipTable:
        """Clips of all photographs and of fakes with reconstructed faces, made when they are first asked for."""
        return self._with_fakes("reconstructed", autoencoders=self.folder / "autoencoders")

    def make_fakes(self, recipe: Recipe, on_progress: OnProgress) -> None:
        """Makes the fakes that a recipe learns from; those that are there are left as they are."""
        if recipe.swapped:
            self._with_fakes("swapped", on_progress, swapped=True)
        if recipe.reconstructed:
            self._with_fakes("reconstructed", on_progress, autoencoders=self.folder / "autoencoders")

    def _with_fakes(self, name: str, on_progress: OnProgress = lambda done, of: None, **kind: Any) -> ClipTable:
        folder = self.folder / name
        settings = BlendSettings(fakes_per_clip=FAKES_PER_PHOTOGRAPH, spec=self.photographs.spec, **kind)
        blend_data(self.folder / "photographs", folder, settings, on_progress=on_progress)
        return list_clips(folder, _splits_of(folder))

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

    def mislabelled(self, seed: int) -> ClipTable:
        """Returns clips of photographs and of a self-blend of each, kept as files, with labels that were shuffled."""
        folder = self.folder / "blended"
        blend_data(self.folder / "photographs", folder, BlendSettings(spec=self.photographs.spec))
        clips = list_clips(folder, _splits_of(folder))
        return dataclasses.replace(clips, labels=np.random.default_rng(seed).permutation(clips.labels))

    def to_learn_from(self, recipe: Recipe, held_out: Sequence[str]) -> ClipTable:
        """Returns the clips of a training.

        Args:
            recipe: says whether photographs, real videos and fakes are among them.
            held_out: groups whose videos are not, nor any other fake of the methods in them.

        Raises:
            DataError: nothing is left.
        """
        parts = self._of_photographs(recipe) if recipe.photographs else []
        kept = self._outside(recipe, set(held_out))
        parts += [self.videos.select(kept)] if len(kept) else []
        if not parts:
            raise DataError("No clips are left to learn from. Add photographs, or real videos of other groups.")
        return join_tables(parts)

    def _of_photographs(self, recipe: Recipe) -> list[ClipTable]:
        # Their reals are those of the photographs, compressed once more as their fakes are.
        parts = [self.swapped] if recipe.swapped else []
        parts += [self.reconstructed] if recipe.reconstructed else []
        # The reals once.
        return [*parts[:1], *map(_fakes, parts[1:])] or [self.photographs]

    def _outside(self, recipe: Recipe, held_out: set[str]) -> np.ndarray:
        clips = self.videos
        outside = np.array([name not in held_out for name in clips.groups])
        hidden = {name for name, group in zip(clips.methods, clips.groups, strict=True) if group in held_out and name}
        fakes = (clips.labels == FAKE) & np.array([name not in hidden for name in clips.methods])
        wanted = (clips.labels == REAL) & recipe.videos | fakes & recipe.real_fakes
        return np.flatnonzero(outside & wanted)


def cut_clips(
    entries: Sequence[VideoEntry], photographs: Path, work: Path, spec: ClipSpec, on_progress: OnProgress
) -> Material:
    """Makes the clips of all videos and photographs; what is finished is left as it is.

    Args:
        entries: what `sort_out` returned.
        photographs: a folder of pictures of real faces.
        work: the folder in which the clips' folder is made.
        spec: how clips are cut.
        on_progress: is told how far it is.
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
    pictures = BlendSettings(fakes_per_clip=0, spec=spec, group_regex=PERSON_REGEX)
    blend_data(photographs, folder / "photographs", pictures, on_progress=on_progress)
    return Material(folder)


def read_entries(path: Path) -> list[VideoEntry]:
    """Reads a manifest and sorts its videos out."""
    return sort_out(manifest.read_manifest(path))


def _fakes(clips: ClipTable) -> ClipTable:
    return clips.select(np.flatnonzero(clips.labels == FAKE))


def _splits_of(folder: Path) -> list[str]:
    there = read_index(folder).shards
    return [split for split in SPLITS if there.get(split)]
