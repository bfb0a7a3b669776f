"""Share of fakes among what was called fake."""

import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.metrics import THRESHOLD


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns true fakes among those called fake, in [0, 1]; NaN if none was called so.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
    """
    return float(sklearn.metrics.precision_score(labels, scores >= THRESHOLD, zero_division=float("nan")))
