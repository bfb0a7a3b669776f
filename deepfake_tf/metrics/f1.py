"""Harmonic mean of precision and recall."""

import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.metrics import THRESHOLD


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns F1 of the class fake, in [0, 1]; NaN if no fake is there and none was called.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
    """
    return float(sklearn.metrics.f1_score(labels, scores >= THRESHOLD, zero_division=float("nan")))
