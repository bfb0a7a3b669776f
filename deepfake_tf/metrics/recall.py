"""Share of the fakes that were called fake."""

import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.metrics import THRESHOLD


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns those called fake among the fakes, in [0, 1]; NaN if there is no fake.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
    """
    return float(sklearn.metrics.recall_score(labels, scores >= THRESHOLD, zero_division=float("nan")))
