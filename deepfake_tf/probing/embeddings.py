"""Embeddings: what a frozen backbone says of each clip, worked out once and kept in shards on disk.

    CACHE/<key>/embeddings.json               what they are embeddings of
    CACHE/<key>/train-00003-of-00010.npz      features float32 [N, D] and the clips' names

An embedding is the mean of the backbone's features over the frames of the clip that are there. The key follows from
the clips, the backbone, its weights themselves and what the clips went through first: another file of weights under the
same path is another key. Shape letters: B clips, T frames, D features.
"""

import functools
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic, augment, schema
from deepfake_tf.backbones import _compose
from deepfake_tf.batching import dataset
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.errors import DataError
from deepfake_tf.heads import _masked
from deepfake_tf.probing.probe_settings import load_transform
from deepfake_tf.schema import INPUT_CLIPS, INPUT_MASK, ClipSpec

EMBEDDINGS_VERSION = 1
ABOUT_FILE = "embeddings.json"
SHARD_CLIPS = 256
"""Clips of a shard; as many are lost at most when the work is stopped."""

OnProgress = Callable[[int, int], None]
"""Takes the clips done and the clips in all."""


def build_backbone(
    name: str, spec: ClipSpec, settings: Mapping[str, Any], *, seed: int = 0, initial_weights: bool = True
) -> keras.Model:
    """Builds a backbone to be left as it is.

    Args:
        name: of a file in backbones/, or several joined by "+".
        spec: of the clips whose frames it is to see.
        settings: see `_compose.build`.
        seed: of weights that do not come from elsewhere.
        initial_weights: load the weights that it starts from.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D].
    """
    keras.utils.set_random_seed(seed)
    chosen = settings if initial_weights else _compose.without_weights(name, settings)
    backbone = _compose.build(name, spec.crop_size_px, chosen)
    backbone.trainable = False
    return backbone


def build_embedder(backbone: keras.Model, spec: ClipSpec) -> keras.Model:
    """Puts the mean over frames on top of a backbone.

    Args:
        backbone: what `build_backbone` returned.
        spec: of the clips.

    Returns:
        {"clips": uint8 or float [B, T, H, W, 3], "mask": bool [B, T]} -> embedding float32 [B, D].
    """
    frames, size = spec.num_frames, spec.crop_size_px
    clips = keras.Input((frames, size, size, 3), name=INPUT_CLIPS)
    mask = keras.Input((frames,), dtype="bool", name=INPUT_MASK)
    features = backbone(keras.ops.reshape(clips, (-1, size, size, 3)))
    features = keras.ops.cast(keras.ops.reshape(features, (-1, frames, features.shape[-1])), "float32")
    return keras.Model({INPUT_CLIPS: clips, INPUT_MASK: mask}, _masked.mean(features, mask), name="embedder")


@dataclass(frozen=True)
class Source:
    """Which clips are embedded.

    Attributes:
        clips: a table.
        name: what its shards are called, such as the split.
        fingerprint: of the folder of shards that they lie in.
    """

    clips: ClipTable
    name: str
    fingerprint: str


class Embedder:
    """A frozen backbone, and the folder that keeps what it says.

    Attributes:
        backbone: the network over each frame.
    """

    def __init__(
        self,
        name: str,
        spec: ClipSpec,
        settings: Mapping[str, Any],
        *,
        cache_dir: Path,
        seed: int = 0,
        batch_size: int = 16,
    ) -> None:
        """Builds the backbone.

        Args:
            name: see `build_backbone`.
            spec: of the clips.
            settings: see `build_backbone`.
            cache_dir: the folder; made when it is needed.
            seed: of new weights and of transforms.
            batch_size: clips at a time.
        """
        self.backbone = build_backbone(name, spec, settings, seed=seed)
        self._model = build_embedder(self.backbone, spec)
        self._cache_dir, self._seed, self._batch_size = cache_dir, seed, batch_size
        self._about = {
            "version": EMBEDDINGS_VERSION,
            "backbone": name,
            "settings": dict(settings),
            "weights": _digest(self.backbone),
        }

    def embed(
        self, source: Source, *, transform: str = "none", on_progress: OnProgress | None = None
    ) -> NDArray[np.float32]:
        """Returns the embeddings of clips; only those that are not kept yet are worked out.

        Args:
            source: the clips.
            transform: what they go through first, see `probe_settings.load_transform`.
            on_progress: is told how far it is.

        Returns:
            float32 [N, D], in the order of the table.

        Raises:
            DataError: a clip cannot be read, or an embedding is no finite number.
        """
        ops = load_transform(transform)
        folder = self._folder(source, ops)
        total = -(-len(source.clips) // SHARD_CLIPS)
        parts: list[NDArray[np.float32]] = []
        tell = on_progress or (lambda done, of: None)
        for number in range(total):
            begin = number * SHARD_CLIPS
            clips = source.clips.select(np.arange(begin, min(begin + SHARD_CLIPS, len(source.clips))))
            path = folder / f"{source.name}-{number:05d}-of-{total:05d}.npz"
            kept = _read_shard(path, clips)
            if kept is None:
                kept = self._compute(clips, ops, functools.partial(_tell_from, tell, begin, len(source.clips)))
                _write_shard(path, clips, kept)
            parts.append(kept)
            tell(begin + len(clips), len(source.clips))
        return np.concatenate(parts)

    def _folder(self, source: Source, ops: tuple[augment.ClipOp, ...]) -> Path:
        about = {
            **self._about,
            "data": source.fingerprint,
            "ops": augment.to_json(ops),
            # Nothing else is left to chance here: new weights are told by their digest.
            "seed": self._seed if ops else None,
        }
        folder = self._cache_dir / schema.fingerprint(about)
        if not (folder / ABOUT_FILE).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            atomic.write_whole(folder / ABOUT_FILE, (json.dumps(about, indent=2) + "\n").encode())
        return folder

    def _compute(
        self, clips: ClipTable, ops: tuple[augment.ClipOp, ...], tell: Callable[[int], None]
    ) -> NDArray[np.float32]:
        def report(step: int, logs: Any) -> None:
            tell(min((step + 1) * self._batch_size, len(clips)))

        callback = keras.callbacks.LambdaCallback(on_predict_batch_end=report)
        with dataset.plain_errors():
            batches = dataset.for_evaluation(clips, batch_size=self._batch_size, ops=ops, seed=self._seed)
            features = self._model.predict(batches, verbose=0, callbacks=[callback])
        if not np.all(np.isfinite(features)):
            raise DataError(
                f"The backbone {self._about['backbone']} gave embeddings that are no finite numbers. "
                "Are its weights whole?"
            )
        return np.asarray(features, np.float32)


def _tell_from(tell: OnProgress, begin: int, total: int, done: int) -> None:
    tell(begin + done, total)


def _digest(model: keras.Model) -> str:
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(f"{variable.shape} {variable.dtype}".encode())
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    return digest.hexdigest()


def _write_shard(path: Path, clips: ClipTable, features: NDArray[np.float32]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, features=features, names=np.array(clips.example_ids))
    atomic.write_whole(path, buffer.getvalue())


def _read_shard(path: Path, clips: ClipTable) -> NDArray[np.float32] | None:
    """Returns what a shard holds, or nothing if it is not there, damaged or of other clips."""
    try:
        # From memory: NumPy leaves a file open that it could not read.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return file["features"] if file["names"].tolist() == list(clips.example_ids) else None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
