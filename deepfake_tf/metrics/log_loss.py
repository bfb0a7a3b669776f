"""Mean negative log-likelihood: what training minimises, and what punishes false certainty."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.reporting.resampling import Draws

OF = "probabilities"


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the mean log loss in nats, 0 or more; 0.693 is that of a constant 0.5.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
    """
    return float(sklearn.metrics.log_loss(labels, scores, labels=[0, 1]))


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    tiny = np.finfo(np.float64).eps
    scores = np.clip(draws.scores, tiny, 1 - tiny)
    own = -np.log(np.where(draws.labels == 1, scores, 1 - scores))
    return draws.total(own) / (draws.num_real + draws.num_fake)
