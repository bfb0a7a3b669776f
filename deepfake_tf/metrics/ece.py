"""Expected calibration error: how far scores lie from the share of fakes among rows with such scores.

Scores are put into bins of equal width; the distance of a bin's mean score from its share of fakes is weighted by its
rows (Naeini, Cooper and Hauskrecht 2015). With few rows it is above 0 even for a perfect score: compare it between
scores of the same rows, and look at its interval.
"""

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.reporting.resampling import Draws

OF = "probabilities"
NUM_BINS = 10


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the error, in [0, 1]; 0 is perfect.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
    """
    return float(compute_draws(Draws(labels, scores, np.ones((1, len(labels)))))[0])


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    inside = bins(draws.scores)[:, None] == np.arange(NUM_BINS)
    excess = draws.weights @ (inside * (draws.scores - draws.labels)[:, None])
    return np.sum(np.abs(excess), axis=1) / (draws.num_real + draws.num_fake)


def bins(scores: NDArray) -> NDArray[np.int64]:
    """Returns the bin of each score, int64 [N] in [0, NUM_BINS); each holds its lower end, the last 1 as well."""
    return np.minimum((np.asarray(scores) * NUM_BINS).astype(np.int64), NUM_BINS - 1)
