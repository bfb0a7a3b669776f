"""Losses by arithmetic: cross entropy, its focal form, smoothed labels."""

import math

import numpy as np
import pytest

from deepfake_tf.learning.losses import build_loss
from deepfake_tf.learning.settings import TrainSettings

LABELS, LOGITS = np.array([0.0, 1.0, 1.0]), np.array([1.5, -0.5, 2.0])


def found(**settings):
    loss = build_loss(TrainSettings(**settings))
    return np.asarray(loss(LABELS[:, None].astype(np.float32), LOGITS[:, None].astype(np.float32)))


def cross_entropy(label, logit):
    score = 1 / (1 + math.exp(-logit))
    return -(label * math.log(score) + (1 - label) * math.log(1 - score))


def test_cross_entropy_is_that_of_each_clip():
    expected = [cross_entropy(label, logit) for label, logit in zip(LABELS, LOGITS, strict=True)]
    np.testing.assert_allclose(found(), expected, rtol=1e-5)


def test_smoothed_labels_are_half_of_it_away_from_0_and_1():
    expected = [cross_entropy(label * 0.8 + 0.1, logit) for label, logit in zip(LABELS, LOGITS, strict=True)]
    np.testing.assert_allclose(found(label_smoothing=0.2), expected, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_weighs_by_how_wrong_a_clip_is(gamma):
    scores = 1 / (1 + np.exp(-LOGITS))
    wrong = np.where(LABELS == 1, 1 - scores, scores)
    expected = [w**gamma * cross_entropy(label, x) for w, label, x in zip(wrong, LABELS, LOGITS, strict=True)]
    np.testing.assert_allclose(found(loss="focal", focal_gamma=gamma), expected, rtol=1e-4)
