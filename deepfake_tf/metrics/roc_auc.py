"""Area under the receiver operating characteristic: how well the scores order real before fake."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the chance that a fake scores above a real one, ties counting half, in [0, 1]; NaN for one class.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N], in any range.
    """
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(sklearn.metrics.roc_auc_score(labels, scores))
