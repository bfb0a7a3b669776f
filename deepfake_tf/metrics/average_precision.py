"""Area under the curve of precision over recall, as steps."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.reporting.resampling import Draws, ratio

OF = "order"


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the mean precision over the fakes, in [0, 1]; the share of fakes is guessing; NaN for one class.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N], in any range.
    """
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(sklearn.metrics.average_precision_score(labels, scores))


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    reals, fakes = draws.curve
    precision = np.divide(fakes, reals + fakes, out=np.zeros_like(fakes), where=fakes > 0)
    area = np.sum(np.diff(fakes, axis=1) * precision[:, 1:], axis=1)
    return np.where(draws.num_real > 0, ratio(area, draws.num_fake), np.nan)
