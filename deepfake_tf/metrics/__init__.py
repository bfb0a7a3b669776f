"""Measures of scores against labels, one file each; here what holds for all of them.

A file exposes

    OF                                       what of the scores it looks at, one of KINDS
    compute(labels, scores) -> float         labels int [N] (0 real, 1 fake), scores float [N]
    compute_draws(draws) -> float64 [D]      the same for D weighted draws at once, see resampling.py

and, if it looks at answers, `compute` takes a threshold as well. A measure that is not defined, as the AUC of one class
is not, is NaN; MIN_REALS in a file says how many reals it needs before it can say anything.
"""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake_tf import plugins
from deepfake_tf.reporting.resampling import NUM_DRAWS, Draws, Interval, draw_groups, middle, num_groups_of_a_class

THRESHOLD = 0.5
"""What counts as fake unless something else was chosen."""

KINDS = ("order", "answers", "probabilities")
"""What a metric looks at: how rows are ordered, on which side of the threshold they lie, or their scores as P(fake)."""


def compute_all(
    labels: ArrayLike, scores: ArrayLike, *, threshold: float = THRESHOLD, order: ArrayLike | None = None
) -> dict[str, float]:
    """Returns every metric by its name.

    Args:
        labels: int [N], 0 real and 1 fake, N >= 1.
        scores: float [N] in [0, 1].
        threshold: a score at or above it counts as fake.
        order: float [N], what orders the rows: logits, which say more than scores that were rounded to 0 or 1; the
            scores if None.

    Raises:
        ValueError: they differ in length, or are empty.
    """
    labels, scores, order = _arrays(labels, scores, order)
    found = {}
    for name, metric in _all().items():
        values = order if metric.OF == "order" else scores
        more = {"threshold": threshold} if metric.OF == "answers" else {}
        found[name] = float(metric.compute(labels, values, **more))
    return found


def intervals(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: Sequence[str],
    *,
    threshold: float = THRESHOLD,
    order: ArrayLike | None = None,
    num_draws: int = NUM_DRAWS,
) -> dict[str, Interval]:
    """Returns the 95 % bootstrap interval over groups of every metric by its name.

    A metric that has no value on all rows has no interval either; with fewer than two groups none has.

    Args:
        labels: int [N], 0 real and 1 fake, N >= 1.
        scores: float [N] in [0, 1].
        groups: N names.
        threshold: a score at or above it counts as fake.
        order: float [N], what orders the rows; the scores if None.
        num_draws: how many draws, the same ones for every metric.
    """
    labels, scores, order = _arrays(labels, scores, order)
    whole = compute_all(labels, scores, threshold=threshold, order=order)
    found = dict.fromkeys(whole, Interval(float("nan"), float("nan")))
    if len(set(groups)) < 2:
        return found
    defined = {name: metric for name, metric in _all().items() if np.isfinite(whole[name])}
    parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in defined}
    for weights in draw_groups(groups, num_draws=num_draws):
        by_order = Draws(labels, order, weights, threshold)
        by_score = Draws(labels, scores, weights, threshold)
        for name, metric in defined.items():
            parts[name].append(metric.compute_draws(by_order if metric.OF == "order" else by_score))
    num_groups = num_groups_of_a_class(labels, groups)
    return found | {name: middle(np.concatenate(own), num_groups) for name, own in parts.items()}


def why_undefined(labels: ArrayLike) -> Mapping[str, str]:
    """Returns for each metric that these labels cannot give why that is so.

    Args:
        labels: int [N], 0 real and 1 fake.
    """
    labels = np.asarray(labels)
    num_real, num_fake = int(np.sum(labels == 0)), int(np.sum(labels == 1))
    found = {}
    for name, metric in _all().items():
        needed = getattr(metric, "MIN_REALS", 0)
        if 0 < num_real < needed and num_fake:
            found[name] = f"needs {needed:,} reals or more to see so low a rate; there are {num_real}"
        elif metric.OF == "order" and not (num_real and num_fake):
            found[name] = "needs reals and fakes; there is one class only"
    return found


def bootstrap_interval(
    compute: Callable[[np.ndarray, np.ndarray], float],
    labels: ArrayLike,
    scores: ArrayLike,
    groups: Sequence[str],
    *,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the 95 % bootstrap interval over groups of any function of labels and scores, one draw at a time.

    Args:
        compute: labels int [M], scores float [M] -> float; NaN where it is not defined, which is left out.
        labels: int [N].
        scores: float [N].
        groups: N names.
        num_draws: how many draws.
        seed: of the draws.

    Returns:
        Lower and upper end; NaN for both with fewer than two groups, or if no draw gave a value.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    if len(set(groups)) < 2:
        return float("nan"), float("nan")
    values = []
    for weights in draw_groups(groups, num_draws=num_draws, seed=seed):
        for own in weights:
            rows = np.repeat(np.arange(len(labels)), own.astype(np.int64))
            values.append(float(compute(labels[rows], scores[rows])))
    found = middle(np.array(values), num_groups_of_a_class(labels, groups))
    return found.low, found.high


def _all() -> dict[str, ModuleType]:
    return {name: plugins.load("metrics", name) for name in plugins.names("metrics")}


def _arrays(
    labels: ArrayLike, scores: ArrayLike, order: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    labels, scores = np.asarray(labels, np.int64), np.asarray(scores, np.float64)
    order = scores if order is None else np.asarray(order, np.float64)
    if labels.shape != scores.shape or labels.shape != order.shape or labels.ndim != 1 or not labels.size:
        raise ValueError(f"Expected one label for each score. Received: shapes {labels.shape} and {scores.shape}")
    return labels, scores, order
