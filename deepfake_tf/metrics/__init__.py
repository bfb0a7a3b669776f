"""Measures of scores against labels, one file each; here what holds for all of them.

A file exposes `compute(labels, scores)`: labels int [N] (0 real, 1 fake), scores float [N] (P(fake) in [0, 1]), a score
of THRESHOLD or above counts as fake. It returns a number, or NaN where the measure is not defined, as the AUC of one
class is not.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from deepfake_tf import plugins

THRESHOLD = 0.5


def compute_all(labels: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """Returns every metric by its name.

    Args:
        labels: int [N], 0 real and 1 fake, N >= 1.
        scores: float [N] in [0, 1].

    Raises:
        ValueError: the two differ in length, or are empty.
    """
    labels, scores = np.asarray(labels, np.int64), np.asarray(scores, np.float64)
    if labels.shape != scores.shape or labels.ndim != 1 or not labels.size:
        raise ValueError(f"Expected one label for each score. Received: shapes {labels.shape} and {scores.shape}")
    return {name: float(plugins.load("metrics", name).compute(labels, scores)) for name in plugins.names("metrics")}


def bootstrap_interval(
    compute: Callable[[np.ndarray, np.ndarray], float],
    labels: ArrayLike,
    scores: ArrayLike,
    groups: Sequence[str],
    *,
    num_draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the 95 % percentile bootstrap interval of a metric, drawn over groups.

    Whole groups are drawn with replacement, because what shares a person or an original is not independent
    (Field and Welsh 2007, the cluster bootstrap). Draws in which the metric is not defined are left out.

    Args:
        compute: a metric's `compute`.
        labels: int [N].
        scores: float [N].
        groups: N names.
        num_draws: how many draws.
        seed: of the draws.

    Returns:
        Lower and upper end; NaN for both with fewer than two groups, or if no draw gave a value.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    _, numbers = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    members = [np.flatnonzero(numbers == number) for number in range(int(numbers.max(initial=-1)) + 1)]
    if len(members) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(num_draws):
        drawn = np.concatenate([members[number] for number in rng.integers(0, len(members), len(members))])
        values.append(float(compute(labels[drawn], scores[drawn])))
    defined = np.array(values)[np.isfinite(values)]
    if not defined.size:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)
