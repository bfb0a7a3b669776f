"""Share of right answers."""

import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.metrics import THRESHOLD


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the share of scores on the label's side of the threshold, in [0, 1].

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
    """
    return float(sklearn.metrics.accuracy_score(labels, scores >= THRESHOLD))
