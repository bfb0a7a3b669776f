"""The clips that probes are fitted on, and their embeddings: of a folder of shards, or of some of its data sets.

Shape letters: N clips, D features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.batching.clip_table import ClipTable, join_tables, list_clips
from deepfake_tf.probing.embeddings import Embedder, Source
from deepfake_tf.probing.probe_settings import NO_TRANSFORM, ProbeSearch
from deepfake_tf.records import read_index
from deepfake_tf.schema import ClipSpec

OnEmbedding = Callable[[str, int, int], None]
"""Takes what is being embedded, the clips done and the clips in all."""


class Embeddings:
    """The embeddings of a folder of shards by every backbone of a search; worked out when they are asked for.

    Attributes:
        data_dir: the folder.
        fingerprint: of it.
        spec: of its clips.
    """

    def __init__(
        self, data_dir: Path | str, search: ProbeSearch, cache_dir: Path, *, report: OnEmbedding | None = None
    ) -> None:
        """Reads the folder's index, and works out nothing yet.

        Args:
            data_dir: a finished extraction.
            search: has the settings of the backbones, and the seed.
            cache_dir: where embeddings are kept.
            report: is told how far an embedding is.
        """
        index = read_index(data_dir)
        self.data_dir, self.spec, self.fingerprint = Path(data_dir), index.spec, index.fingerprint()
        self._search, self._cache_dir = search, cache_dir
        self._report = report or (lambda what, done, of: None)
        self._tables: dict[str, ClipTable] = {}
        self._embedder: tuple[str, Embedder] | None = None
        # Of one backbone at a time, in float32: those of all would not fit for large sets.
        self._features: dict[tuple[str, str], NDArray[np.float32]] = {}

    def clips(self, split: str) -> ClipTable:
        """Returns the labelled clips of a split."""
        if split not in self._tables:
            self._tables[split] = list_clips(self.data_dir, [split]).labelled()
        return self._tables[split]

    def has_clips(self, split: str) -> bool:
        """Returns whether a split has any."""
        return read_index(self.data_dir).num_clips(split) > 0

    def labels(self, split: str) -> NDArray[np.int64]:
        """Returns the labels of the split's clips; none where it has no clips."""
        return self.clips(split).labels if self.has_clips(split) else np.zeros(0, np.int64)

    def embedder(self, backbone: str) -> Embedder:
        """Returns the backbone, built; the one before it is let go."""
        if self._embedder is None or self._embedder[0] != backbone:
            self._features.clear()
            settings = self._search.backbone_settings.get(backbone, {})
            made = Embedder(backbone, self.spec, settings, cache_dir=self._cache_dir, seed=self._search.seed)
            self._embedder = (backbone, made)
        return self._embedder[1]

    def features(self, backbone: str, split: str, transform: str = NO_TRANSFORM) -> NDArray[np.float32]:
        """Returns the embeddings of a split's labelled clips, float32 [N, D].

        Args:
            backbone: its name.
            split: whose clips.
            transform: what the clips go through first.
        """
        embedder = self.embedder(backbone)
        if (split, transform) not in self._features:
            source = Source(self.clips(split), split, self.fingerprint)
            what = f"{backbone}, {split}" + (f" through {transform}" if transform != NO_TRANSFORM else "")
            self._features[split, transform] = embedder.embed(
                source, transform=transform, on_progress=lambda done, of: self._report(what, done, of)
            )
        return self._features[split, transform]


@dataclass(frozen=True)
class Selection:
    """Some data sets, of one folder of shards or of several.

    Attributes:
        name: what it is called in a report.
        parts: folders, and which of the manifest's data sets of each; all if None.
    """

    name: str
    parts: tuple[tuple[Embeddings, str | None], ...]

    def clips(self, split: str) -> ClipTable:
        """Returns the labelled clips of a split."""
        tables = [one.clips(split).select(_rows(one, dataset, split)) for one, dataset in self.parts]
        return tables[0] if len(tables) == 1 else join_tables(tables)

    def features(self, backbone: str, split: str, transform: str = NO_TRANSFORM) -> NDArray[np.float32]:
        """Returns the embeddings of `clips`, float32 [N, D]; see `Embeddings.features`."""
        return np.concatenate(
            [one.features(backbone, split, transform)[_rows(one, dataset, split)] for one, dataset in self.parts]
        )

    def labels(self, split: str) -> NDArray[np.int64]:
        """Returns the labels of the split's clips; none where it has no clips."""
        return np.concatenate([one.labels(split)[_rows(one, dataset, split)] for one, dataset in self.parts])

    @property
    def spec(self) -> ClipSpec:
        """How the clips were made."""
        return self.parts[0][0].spec


def join_selections(name: str, selections: Sequence[Selection]) -> Selection:
    """Returns what several selections hold together."""
    return Selection(name, tuple(part for one in selections for part in one.parts))


def _rows(embeddings: Embeddings, dataset: str | None, split: str) -> NDArray[np.int64]:
    if not embeddings.has_clips(split):
        return np.zeros(0, np.int64)
    datasets = np.array(embeddings.clips(split).datasets, dtype=object)
    return np.flatnonzero(datasets == dataset) if dataset is not None else np.arange(len(datasets))
