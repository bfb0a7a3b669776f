"""Area under the ROC curve up to 10 % false positives, where a detector is used.

Standardised as McClish (1989) does: 0.5 is guessing and 1 is perfect, as for the whole area.
"""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.reporting.resampling import Draws

OF = "order"
MAX_FALSE_RATE = 0.1


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the standardised area, in [0, 1]; NaN for one class.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N], in any range.
    """
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(sklearn.metrics.roc_auc_score(labels, scores, max_fpr=MAX_FALSE_RATE))


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    false_rate, true_rate = draws.rates
    # The part of each piece of the curve that lies below the limit, and where the curve is at its end.
    width = np.diff(false_rate, axis=1)
    inside = np.clip(MAX_FALSE_RATE - false_rate[:, :-1], 0, width)
    slope = np.divide(np.diff(true_rate, axis=1), width, out=np.zeros_like(width), where=width > 0)
    area = np.sum(inside * (true_rate[:, :-1] + slope * inside / 2), axis=1)
    least = MAX_FALSE_RATE**2 / 2
    return np.where(np.isnan(area), np.nan, 0.5 * (1 + (area - least) / (MAX_FALSE_RATE - least)))
