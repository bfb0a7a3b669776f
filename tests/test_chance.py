"""Shuffled labels: what they are worth is known, 0.5, and a label that leaks into the pixels is found."""

import dataclasses

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepfake_tf import chance


@dataclasses.dataclass
class Clips:
    """As much of a table of clips as is read: one clip a video, of one frame."""

    labels: np.ndarray
    brightness: np.ndarray
    start: int = 0

    def __len__(self):
        return len(self.labels)

    @property
    def video_ids(self):
        return [f"v{self.start + row}" for row in range(len(self))]

    def read(self, row):
        pixels = np.random.default_rng(self.start + row).integers(0, 60, (32, 32, 3)) + self.brightness[row]
        crop = cv2.imencode(".png", np.clip(pixels, 0, 255).astype(np.uint8))[1].tobytes()
        return (b"", crop), np.array([False, True])


def clips(num_videos, start, brightness_of_fakes=100):
    labels = np.arange(num_videos) % 2
    return Clips(labels, np.where(labels == 1, brightness_of_fakes, 100), start)


def test_shuffled_labels_come_out_at_one_half():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    scores = labels + rng.normal(0, 0.5, 60)
    found = chance.shuffle_labels(labels, scores, num_shuffles=500)
    assert found.auc == pytest.approx(roc_auc_score(labels, scores))
    assert found.auc > 0.85
    assert found.mean == pytest.approx(0.5, abs=0.02)
    assert found.low < 0.5 < found.high < found.auc
    assert found.holds


def test_the_interval_is_that_of_the_rank_sum():
    """Without ties, an AUC by chance has mean 1/2 and variance (n + m + 1) / (12 n m) (Mann and Whitney 1947)."""
    labels = np.repeat([0, 1], [40, 50])
    found = chance.shuffle_labels(labels, np.arange(90.0), num_shuffles=20_000)
    deviation = np.sqrt(91 / (12 * 40 * 50))
    assert (found.low, found.high) == pytest.approx((0.5 - 1.96 * deviation, 0.5 + 1.96 * deviation), abs=0.005)


def test_ties_count_half():
    labels, scores = np.arange(30) % 2, np.random.default_rng(0).integers(0, 4, 30)
    assert chance.shuffle_labels(labels, scores, num_shuffles=2).auc == pytest.approx(roc_auc_score(labels, scores))


def test_same_seed_same_shuffles():
    labels, scores = np.repeat([0, 1], 5), np.arange(10.0)
    assert chance.shuffle_labels(labels, scores, num_shuffles=20, seed=3) == chance.shuffle_labels(
        labels, scores, num_shuffles=20, seed=3
    )
    assert chance.shuffle_labels(labels, scores, num_shuffles=20, seed=3) != chance.shuffle_labels(
        labels, scores, num_shuffles=20, seed=4
    )


def test_retraining_on_shuffled_labels_finds_nothing():
    found = chance.retrain_on_shuffled_labels(clips(60, 0), clips(40, 1000), num_shuffles=20)
    assert found.holds
    assert 0.3 < found.auc < 0.7


def test_a_label_that_leaks_into_the_light_is_found_with_true_labels_only():
    found = chance.retrain_on_shuffled_labels(clips(60, 0, 130), clips(40, 1000, 130), num_shuffles=20)
    assert found.auc > 0.95
    assert found.holds


def test_an_interval_beside_one_half_does_not_hold():
    assert not chance.Chance(auc=0.9, mean=0.7, low=0.6, high=0.8, num_shuffles=10).holds
    assert chance.Chance(auc=0.9, mean=0.5, low=0.4, high=0.6, num_shuffles=10).to_json()["holds"] is True
