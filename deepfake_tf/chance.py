"""What a score is worth when labels mean nothing: a check of the whole path for leaks and shortcuts.

With shuffled labels, every AUC must come out at 0.5, give or take. If it does not, something other than the label tells
the videos apart: a split that leaks, a video that is counted twice, or a mistake in the evaluation itself.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.errors import DataError
from deepfake_tf.metrics import roc_auc
from deepfake_tf.schema import FAKE, REAL

THUMBNAIL_PX = 16


@dataclass(frozen=True)
class Chance:
    """An AUC, and what it is with shuffled labels.

    Attributes:
        auc: with the true labels.
        mean: mean with shuffled labels.
        low: lower end of the interval that 95 % of the shuffles lie in.
        high: its upper end.
        num_shuffles: how often labels were shuffled.
    """

    auc: float
    mean: float
    low: float
    high: float
    num_shuffles: int

    @property
    def holds(self) -> bool:
        """Whether the interval contains 0.5, as it must."""
        return self.low <= 0.5 <= self.high

    def to_json(self) -> dict[str, Any]:
        """Returns the values as plain JSON."""
        return dataclasses.asdict(self) | {"holds": self.holds}


def shuffle_labels(labels: ArrayLike, scores: ArrayLike, *, num_shuffles: int = 1000, seed: int = 0) -> Chance:
    """Returns the AUC of scores against true and against shuffled labels (a permutation test).

    An AUC is a sum of ranks, and the ranks stay as they are (Mann and Whitney 1947).

    Args:
        labels: int [N], 0 real and 1 fake, both present.
        scores: float [N].
        num_shuffles: 2 or more.
        seed: of the shuffles.
    """
    labels = np.asarray(labels)
    rng = np.random.default_rng(seed)
    ranks, num_fake, num_real = scipy.stats.rankdata(scores), int(np.sum(labels == FAKE)), int(np.sum(labels == REAL))

    def auc(fake: NDArray[np.bool_]) -> float:
        return float((ranks[fake].sum() - num_fake * (num_fake + 1) / 2) / (num_fake * num_real))

    return _chance(auc(labels == FAKE), [auc(rng.permutation(labels) == FAKE) for _ in range(num_shuffles)])


def retrain_on_shuffled_labels(train: ClipTable, test: ClipTable, *, num_shuffles: int = 50, seed: int = 0) -> Chance:
    """Trains a small classifier on thumbnails, with true and with shuffled labels of the videos, and tests it.

    A logistic regression on thumbnails of 16 x 16 pixels sees light, colour and background but none of the fine traces
    of a fake. With true labels its AUC says how far such shortcuts lead.

    Args:
        train: labelled clips of both classes.
        test: labelled clips of both classes, of other videos.
        num_shuffles: how often all labels are shuffled and the classifier is trained again; 2 or more.
        seed: of the shuffles.
    """
    (train_x, train_labels), (test_x, test_labels) = _thumbnails_by_video(train), _thumbnails_by_video(test)
    mean, deviation = train_x.mean(axis=0), train_x.std(axis=0) + 1e-6
    train_x, test_x = (train_x - mean) / deviation, (test_x - mean) / deviation
    rng = np.random.default_rng(seed)
    true = _fit_and_score(train_x, train_labels, test_x, test_labels)
    shuffled = [
        _fit_and_score(train_x, rng.permutation(train_labels), test_x, rng.permutation(test_labels))
        for _ in range(num_shuffles)
    ]
    return _chance(true, shuffled)


def _chance(auc: float, shuffled: list[float]) -> Chance:
    low, high = np.quantile(shuffled, [0.025, 0.975])
    return Chance(float(auc), float(np.mean(shuffled)), float(low), float(high), len(shuffled))


def _fit_and_score(train_x: NDArray, train_labels: NDArray, test_x: NDArray, test_labels: NDArray) -> float:
    from sklearn.linear_model import LogisticRegression

    # Strongly regularised: there are more pixels than videos.
    classifier = LogisticRegression(C=1e-3, max_iter=200).fit(train_x, train_labels)
    return float(roc_auc.compute(test_labels, classifier.decision_function(test_x)))


def _thumbnails_by_video(clips: ClipTable) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns a mean thumbnail for each video, float64 [N, 16 * 16 * 3], and the videos' labels, int64 [N]."""
    by_video: dict[str, list[NDArray[Any]]] = {}
    labels = {}
    for video_id, label, thumbnail in _thumbnails(clips):
        by_video.setdefault(video_id, []).append(thumbnail)
        labels[video_id] = label
    return np.array([np.mean(own, axis=0) for own in by_video.values()]), np.array(list(labels.values()))


def _thumbnails(clips: ClipTable) -> Iterator[tuple[str, int, NDArray[Any]]]:
    for row in range(len(clips)):
        crops, mask = clips.read(row)
        there = np.flatnonzero(mask)
        if len(there):
            crop = cv2.imdecode(np.frombuffer(crops[there[0]], np.uint8), cv2.IMREAD_COLOR_RGB)
            if crop is None:
                raise DataError(f"A crop in {clips.shard_path(row)} is damaged. Delete the shard and extract again.")
            small = cv2.resize(crop, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
            yield clips.video_ids[row], int(clips.labels[row]), small.ravel().astype(np.float64)
