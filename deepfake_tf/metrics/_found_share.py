"""Share of the fakes that are found at a false-positive rate, where a sample has reals enough to show that rate."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray


def share_found(labels: NDArray, scores: NDArray, rate: float) -> float:
    """Returns the true-positive rate at the lowest threshold whose false-positive rate is no higher than `rate`.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N], in any range.
        rate: in (0, 1).

    Returns:
        In [0, 1]; NaN without fakes, or with fewer than 1 / rate reals.
    """
    if np.sum(labels == 0) < round(1 / rate) or not np.any(labels == 1):
        return float("nan")
    false_rate, true_rate, _ = sklearn.metrics.roc_curve(labels, scores, drop_intermediate=False)
    return float(np.max(true_rate[false_rate <= rate]))
