"""Share of the fakes that are found while no more than 0.1 % of the reals are called fake.

No interpolation: the threshold is the lowest at which the reals of the sample keep to the rate. Fewer than 1,000 reals
cannot show such a rate, and none is made up for them.
"""

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.metrics._found_share import share_found
from deepfake_tf.reporting.resampling import Draws, highest_true_rate

OF = "order"
RATE = 0.001
MIN_REALS = 1000


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the true-positive rate, in [0, 1]; NaN for one class, or with fewer than MIN_REALS reals.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N], in any range.
    """
    return share_found(labels, scores, RATE)


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    return highest_true_rate(draws, RATE)
