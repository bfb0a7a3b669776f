"""Mean negative log-likelihood: what training minimises, and what punishes false certainty."""

import sklearn.metrics
from numpy.typing import NDArray


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the mean log loss in nats, 0 or more; 0.693 is that of a constant 0.5.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
    """
    return float(sklearn.metrics.log_loss(labels, scores, labels=[0, 1]))
