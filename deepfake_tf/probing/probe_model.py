"""A probe: a frozen backbone, and on its embedding what was fitted without gradients, as one Keras model.

    clips, mask --backbone, mean over frames--> embedding --standardise--> --reduction--> --classifier--> logit

Shape letters: B clips, T frames, D features.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import plugins, reductions
from deepfake_tf.errors import DataError
from deepfake_tf.probing import embeddings, standardise
from deepfake_tf.probing.fitted import Apply, Arrays, FittedLayer, apply_now, read_arrays, write_arrays
from deepfake_tf.probing.probe_settings import ProbeSettings
from deepfake_tf.schema import ClipSpec

FITTED_FILE = "probe.npz"
PARTS = ("standardise", "reduction", "classifier")


@dataclass(frozen=True)
class FittedProbe:
    """What was fitted on embeddings.

    Attributes:
        reduction: its name, see reductions/.
        classifier: its file's name.
        arrays: of each of PARTS.
    """

    reduction: str
    classifier: str
    arrays: Mapping[str, Arrays]

    def steps(self) -> Iterator[tuple[str, Apply, Arrays]]:
        """Yields name, function and arrays of each part, in the order in which they are applied."""
        reduction = plugins.load("reductions", reductions.parse(self.reduction)[0])
        classifier = plugins.load("classifiers", self.classifier)
        for name, part in zip(PARTS, (standardise, reduction, classifier), strict=True):
            yield name, part.apply, self.arrays.get(name, {})

    def logits(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Returns the logits of embeddings [N, D]: float64 [N]."""
        result = np.asarray(features, np.float64)
        for _, apply, arrays in self.steps():
            result = apply_now(apply, arrays, result)
        return result

    def write(self, path: Path) -> None:
        """Writes the arrays into a .npz file."""
        write_arrays(path, self.arrays)


def read_fitted(path: Path, settings: ProbeSettings) -> FittedProbe:
    """Returns what `FittedProbe.write` wrote.

    Args:
        path: the file.
        settings: of the probe.

    Raises:
        DataError: it is not there, damaged, or of another probe.
    """
    arrays = read_arrays(path)
    if not set(arrays) <= set(PARTS) or not {"standardise", "classifier"} <= set(arrays):
        raise DataError(f"{path} holds {', '.join(sorted(arrays))}. Expected {', '.join(PARTS)}: run the probe anew.")
    return FittedProbe(settings.reduction, settings.classifier, arrays)


def build_probe_model(
    backbone: keras.Model, spec: ClipSpec, fitted: FittedProbe, *, dtype: str = "float64"
) -> keras.Model:
    """Puts what was fitted on top of a backbone.

    Args:
        backbone: what `embeddings.build_backbone` returned, with its weights or before it gets them.
        spec: of the clips.
        fitted: what goes on top.
        dtype: in which that calculates; the backbone is float32.

    Returns:
        {"clips": uint8 or float [B, T, H, W, 3] in [0, 255] RGB, "mask": bool [B, T]} -> logit float32 [B], above 0
        for fake.
    """
    embedder = embeddings.build_embedder(backbone, spec)
    x = embedder.output
    for name, apply, arrays in fitted.steps():
        x = FittedLayer(apply, arrays, name=name, dtype=dtype)(x)
    return keras.Model(embedder.input, keras.ops.cast(x, "float32"), name=f"{backbone.name}_{fitted.classifier}")


def build_unweighted(settings: ProbeSettings, spec: ClipSpec, fitted_path: Path) -> tuple[keras.Model, keras.Model]:
    """Builds the model of a probe that was saved.

    Args:
        settings: of the probe.
        spec: of the clips.
        fitted_path: its FITTED_FILE.

    Returns:
        The model, and the backbone in it, whose weights are still to be loaded.

    Raises:
        DataError: the file is not there, or damaged.
    """
    backbone = embeddings.build_backbone(settings.backbone, spec, settings.backbone_settings, initial_weights=False)
    return build_probe_model(backbone, spec, read_fitted(fitted_path, settings)), backbone
