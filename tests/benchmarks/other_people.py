"""Whether swaps can be told by what the same method did to other people: python -m tests.benchmarks.other_people CLIPS.

    ... --backbone NAME --weights FILE --name NAME

CLIPS is a folder `clips-<spec>` of pipelines.generalise. Elsewhere nothing is learned from the matched pairs; here a
classifier learns from all of them but one group and is asked about that group, group after group: if this fails, no
recipe that has seen less can be expected to succeed on these pairs, and none is refuted by them. It sees the mean over
a video's frames of what some of the backbone's blocks give (see tests.benchmarks.frozen), or of simple measures of
detail (see tests.benchmarks.traces and the input of high_pass_cnn), of whole crops, of the face alone, and of what is
left with the face blacked out, each also at half the size. It is a logistic regression, fitted on videos and their
labels ("apart"), or on the differences between a fake and its own reals ("pairs"), where nothing that both share can
mislead it; its strength is chosen on inner folds. The figures are saved as
deepfake_tf/generalising/measured/other_people/NAME.json, for tests.benchmarks.generalisation.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from deepfake_tf import atomic
from deepfake_tf.augment import ClipArray, ClipOp, downscale
from deepfake_tf.backbones import high_pass_cnn
from deepfake_tf.batching import dataset
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.generalising import scores
from deepfake_tf.generalising.material import Material
from deepfake_tf.judging import scoring
from deepfake_tf.judging.scoring import VideoScores
from deepfake_tf.recipes.background import BLACKED_OUT
from deepfake_tf.schema import FAKE, REAL
from tests.benchmarks import traces
from tests.benchmarks.frozen import BATCH_SIZE, Features, Frozen, describe
from tests.benchmarks.generalisation import OTHER_PEOPLE

STRENGTHS = (1e-3, 1e-2, 1e-1)
NUM_DRAWS = 2000
Videos = NDArray[np.float64]
Fit = Callable[[Videos, NDArray, NDArray, float], NDArray]


@dataclass(frozen=True)
class FaceAlone:
    """Blackens all but the face."""

    per_frame: ClassVar[bool] = False
    needs_keypoints: ClassVar[bool] = True

    def __call__(
        self, clip: ClipArray, seed: int, keypoints_px: NDArray | None = None, mask: NDArray | None = None
    ) -> ClipArray:
        return clip - BLACKED_OUT(clip, seed, keypoints_px=keypoints_px, mask=mask)


HALVED = downscale.Op(probability=1.0, scale=(0.5, 0.5))
SEEN: Mapping[str, tuple[ClipOp, ...]] = {"crop": (), "face alone": (FaceAlone(),), "background": (BLACKED_OUT,)}
SEEN |= {f"{name}, half the size": (*ops, HALVED) for name, ops in SEEN.items()}


def detail(batches: Iterable[tf.Tensor], size: int) -> NDArray:
    """How strong the high-pass input is, [N, 9]."""
    network = high_pass_cnn.build(size, sees="detail")
    seen = keras.Model(network.inputs[0], network.get_layer("bounded").output)
    return np.concatenate([describe(tf.abs(seen(tf.cast(clips[:, 0], tf.float32)))).numpy() for clips in batches])


def look(frozen: Frozen, clips: ClipTable, ops: Sequence[ClipOp]) -> Features:
    """What is seen of each clip, by name."""
    shown = [inputs["clips"] for inputs in dataset.for_evaluation(clips, batch_size=BATCH_SIZE, ops=ops)]
    found = {"high-pass input": detail(shown, clips.spec.crop_size_px)}
    if not ops:
        found["detail in bands"] = np.array([traces.measure(*one) for one in traces.crops(clips)])
    return found | frozen.features(shown)


def of_videos(clips: ClipTable, features: NDArray) -> Videos:
    """The mean over each video's clips, in the order of scoring, [videos, V or fewer]; no feature outweighs another."""
    found = np.array([features[rows].mean(axis=0) for rows in scoring.rows_by_video(clips).values()], np.float64)
    found = (found - found.mean(axis=0)) / (found.std(axis=0) + 1e-6) / np.sqrt(found.shape[1])
    # Turned into as few columns as there are videos: the same distances, the same regression.
    left, spread, _ = np.linalg.svd(found, full_matrices=False)
    return left * spread


def apart(videos: Videos, labels: NDArray, groups: NDArray, strength: float) -> NDArray:
    return LogisticRegression(C=strength * len(videos), class_weight="balanced").fit(videos, labels).coef_[0]


def pairs(videos: Videos, labels: NDArray, groups: NDArray, strength: float) -> NDArray:
    own = [(groups == group) & (labels == REAL) for group in groups]
    more = np.array([videos[row] - videos[own[row]].mean(axis=0) for row in np.flatnonzero(labels == FAKE)])
    both = np.concatenate([more, -more])
    fitted = LogisticRegression(C=strength * len(videos), fit_intercept=False)
    return fitted.fit(both, np.repeat([1, 0], len(more))).coef_[0]


def left_out(videos: Videos, labels: NDArray, groups: NDArray, fit: Fit, strength: float) -> NDArray:
    """What is said of each group by what was fitted on the others."""
    said = np.zeros(len(videos))
    for group in np.unique(groups):
        own = groups == group
        said[own] = videos[own] @ fit(videos[~own], labels[~own], groups[~own], strength)
    return said


def nested(videos: Videos, labels: NDArray, groups: NDArray, fit: Fit) -> NDArray:
    """As `left_out`, where the other groups choose the strength by their own pairs."""
    said = np.zeros(len(videos))
    for group in np.unique(groups):
        own = groups == group
        inner = (videos[~own], labels[~own], groups[~own])
        right = [in_order(left_out(*inner, fit, strength), *inner[1:]).mean() for strength in STRENGTHS]
        said[own] = videos[own] @ fit(*inner, STRENGTHS[int(np.argmax(right))])
    return said


def in_order(said: NDArray, labels: NDArray, groups: NDArray) -> NDArray:
    """How often a fake is above a real of its group, for each group."""
    shares = []
    for group in np.unique(groups):
        real, fake = (said[(groups == group) & (labels == label)] for label in (REAL, FAKE))
        shares.append(np.mean((fake[:, None] > real) + 0.5 * (fake[:, None] == real)))
    return np.array(shares)


def measure(clips: ClipTable, features: NDArray, fit: Fit) -> dict[str, Any]:
    joined = scoring.join_videos(clips, np.zeros(len(clips)))
    labels, groups = joined.labels, np.array(joined.groups)
    said = nested(of_videos(clips, features), labels, groups, fit)
    shares = in_order(said, labels, groups)
    drawn = np.random.default_rng(0).choice(shares, (NUM_DRAWS, len(shares))).mean(axis=1)
    told = scores.of_matched(VideoScores(**{**vars(joined), "logits": said}))
    return {**told, "pairs_interval": np.quantile(drawn, (0.025, 0.975)).tolist()}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--name", required=True, help="of the measurement, such as 2026-11-22-lite0")
    chosen = parser.parse_args(argv)
    clips = Material(chosen.clips).matched
    frozen = Frozen(chosen.backbone, chosen.weights, clips.spec.crop_size_px)
    rows: dict[str, dict[str, Any]] = {}
    for sees, ops in SEEN.items():
        for name, features in look(frozen, clips, ops).items():
            row = {"sees": sees, "width": features.shape[1]}
            row |= {fit.__name__: measure(clips, features, fit) for fit in (apart, pairs)}
            rows[f"{name}, {sees}"] = row
            print(name, sees, *((one["auc"], one["pairs_right"]) for one in (row["apart"], row["pairs"])), flush=True)
    found = {"backbone": chosen.backbone, "weights": Path(chosen.weights).name, "rows": rows}
    OTHER_PEOPLE.mkdir(parents=True, exist_ok=True)
    atomic.write_whole(OTHER_PEOPLE / f"{chosen.name}.json", (json.dumps(found, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
