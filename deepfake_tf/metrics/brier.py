"""Mean squared distance of the score from the label (Brier 1950): calibration and sharpness in one number."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.reporting.resampling import Draws

OF = "probabilities"


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the mean squared error, in [0, 1]; 0.25 is that of a constant 0.5.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
    """
    return float(sklearn.metrics.brier_score_loss(labels, scores))


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    return draws.total((draws.scores - draws.labels) ** 2) / (draws.num_real + draws.num_fake)
