"""What frozen features tell: python -m tests.benchmarks.frozen CLIPS --backbone NAME --weights FILE --name NAME.

CLIPS is a folder `clips-<spec>` of pipelines.generalise. Real photographs and videos without a matched group, and a
self-blend of each, go through the stage's recipe and through the backbone as it is. After some of its blocks a logistic
regression is fitted on four fifths of the pairs: on the mean and deviation of each channel over the picture, and on its
mean in the middle less that at the edge, for a blend is a difference between the two. It is asked about the other
fifth, about the matched pairs, and about retouched photographs. The figures are saved as
deepfake_tf/generalising/measured/frozen/NAME.json, for tests.benchmarks.generalisation.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepfake_tf import atomic, plugins
from deepfake_tf.batching import dataset
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.batching.sampling import Sampling
from deepfake_tf.generalising import scores
from deepfake_tf.generalising.ingredients import Recipe, find, with_backbone
from deepfake_tf.generalising.material import Material
from deepfake_tf.generalising.scores import Said
from tests.benchmarks import retouched
from tests.benchmarks.generalisation import FROZEN

BATCH_SIZE = 32
EVERY = 3
LEARNED_SHARE = 0.8
# In a crop whose side is 1.
MIDDLE, EDGE = 0.3, 0.4
STRENGTHS = (1e-4, 1e-3, 1e-2)

Features = dict[str, NDArray[np.float32]]


def depths(network: keras.Model, block: str) -> dict[str, keras.KerasTensor]:
    """What some of the blocks give, and the last map of all, by name."""
    ends: dict[str, keras.layers.Layer] = {}
    for layer in network.layers:
        found = re.search(block, layer.name)
        if found:
            ends["block " + ".".join(found.groups())] = layer
    kept = dict([*list(ends.items())[::EVERY], *list(ends.items())[-1:]])
    last = next(layer for layer in reversed(network.layers) if len(layer.output.shape) == 4)
    return {name: layer.output for name, layer in kept.items()} | {"last": last.output}


def describe(maps: tf.Tensor) -> tf.Tensor:
    """Maps [B, H, W, C] -> [B, 3 C]."""
    mean, variance = tf.nn.moments(maps, [1, 2])
    at = (np.arange(maps.shape[1]) + 0.5) / maps.shape[1] - 0.5
    radius = np.hypot(at[:, None], at)[None, :, :, None]
    middle, edge = (np.float32(chosen) / chosen.sum() for chosen in (radius < MIDDLE, radius > EDGE))
    return tf.concat([mean, tf.sqrt(variance + 1e-8), tf.reduce_sum(maps * (middle - edge), [1, 2])], -1)


class Frozen:
    """A backbone that is looked into."""

    def __init__(self, name: str, weights: str, size: int) -> None:
        plugin = plugins.load("backbones", name)
        network = plugin.build(size, weights=weights)
        found = depths(network, plugin.BLOCK)
        self.names, self._inside = tuple(found), keras.Model(network.inputs[0], list(found.values()))
        self._call = tf.function(self._describe)

    def features(self, batches: Iterable[tf.Tensor]) -> Features:
        """Clips uint8 [B, 1, H, W, 3] -> float32 [N, D] for each depth."""
        found = [[one.numpy() for one in self._call(clips)] for clips in batches]
        return {name: np.concatenate(rows) for name, rows in zip(self.names, zip(*found, strict=True), strict=True)}

    def _describe(self, clips: tf.Tensor) -> list[tf.Tensor]:
        return [describe(one) for one in self._inside(tf.cast(clips[:, 0], tf.float32), training=False)]


def of_pairs(frozen: Frozen, material: Material, recipe: Recipe, num_pairs: int) -> tuple[Features, NDArray]:
    """Features and labels of reals and self-blends, augmented; no matched group is among them."""
    clips = material.to_learn_from(recipe, material.groups_held_out)
    sampling = Sampling(recipe=recipe.train.recipe, batch_size=BATCH_SIZE, balance="pairs", blended_share=1.0)
    batches = list(dataset.for_training(clips, sampling).take(2 * num_pairs // BATCH_SIZE))
    labels = np.concatenate([label.numpy() for _, label, _ in batches]).astype(int)
    return frozen.features(inputs["clips"] for inputs, _, _ in batches), labels


def of_clips(frozen: Frozen, clips: ClipTable) -> Features:
    return frozen.features(inputs["clips"] for inputs in dataset.for_evaluation(clips, batch_size=BATCH_SIZE))


def fit(features: NDArray, labels: NDArray) -> tuple[Any, float]:
    """Returns the best classifier, and its AUC on pairs that it was not fitted on, by which it was chosen."""
    cut = int(len(labels) * LEARNED_SHARE)
    fitted = []
    for strength in STRENGTHS:
        one = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=200))
        one.fit(features[:cut], labels[:cut])
        fitted.append((one, float(roc_auc_score(labels[cut:], one.decision_function(features[cut:])))))
    return max(fitted, key=lambda found: found[1])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--pairs", type=int, default=6400)
    parser.add_argument(
        "--retouched", type=Path, required=True, metavar="DIR", help="photographs, see tests.benchmarks.retouched"
    )
    parser.add_argument("--name", required=True, help="of the measurement, such as 2026-11-22-lite0")
    chosen = parser.parse_args(argv)
    material = Material(chosen.clips)
    recipe = find("self_blended").added_to(with_backbone(Recipe(), chosen.backbone, chosen.weights))
    frozen = Frozen(chosen.backbone, chosen.weights, material.photographs.spec.crop_size_px)
    pairs, labels = of_pairs(frozen, material, recipe, chosen.pairs)
    both = retouched.cut(chosen.clips, chosen.retouched)
    asked = {"matched": of_clips(frozen, material.matched)}
    asked |= {str(label): of_clips(frozen, clips) for label, clips in both.items()}
    rows = {name: _row(name, pairs, labels, asked, material.matched, both) for name in frozen.names}
    found = {"backbone": chosen.backbone, "weights": Path(chosen.weights).name, "pairs": chosen.pairs, "rows": rows}
    FROZEN.mkdir(parents=True, exist_ok=True)
    atomic.write_whole(FROZEN / f"{chosen.name}.json", (json.dumps(found, indent=1) + "\n").encode())
    return 0


def _row(
    name: str,
    pairs: Features,
    labels: NDArray,
    asked: Mapping[str, Features],
    matched: ClipTable,
    both: Mapping[int, ClipTable],
) -> dict[str, Any]:
    classifier, learned = fit(pairs[name], labels)
    said = {key: classifier.decision_function(features[name]).astype(np.float64) for key, features in asked.items()}
    row = {
        "width": pairs[name].shape[1],
        "learned": learned,
        **scores.of_matched(Said(matched, said["matched"]).videos()),
    }
    row["retouched"] = retouched.of_logits({label: said[str(label)] for label in both})
    print(name, row, flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
