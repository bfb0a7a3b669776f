"""The bootstrap over groups, all draws at once.

A draw of groups with replacement is a count for each group, and so a weight for each row. What is computed from
weighted rows can be computed for a thousand draws as one array.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

NUM_DRAWS = 1000
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A 95 % interval.

    Attributes:
        low: lower end; NaN if there is none.
        high: upper end; NaN if there is none.
        num_undefined: draws that gave no value, for example because all their rows are of one class. They are left out.
    """

    low: float
    high: float
    num_undefined: int = 0


@dataclass(frozen=True, eq=False)
class Draws:
    """D draws of N rows, as weights.

    Attributes:
        labels: int64 [N], 0 real and 1 fake.
        scores: float64 [N].
        weights: float64 [D, N], how often each row was drawn.
        threshold: a score at or above it counts as fake.
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    threshold: float = 0.5

    def total(self, values: ArrayLike) -> NDArray[np.float64]:
        """Returns the weighted sum of a value of each row, [N] -> float64 [D]."""
        return self.weights @ np.asarray(values, np.float64)

    @cached_property
    def num_real(self) -> NDArray[np.float64]:
        """Rows of the class real in each draw, float64 [D]."""
        return self.total(self.labels == 0)

    @cached_property
    def num_fake(self) -> NDArray[np.float64]:
        """Rows of the class fake in each draw, float64 [D]."""
        return self.total(self.labels == 1)

    @cached_property
    def false_alarms(self) -> NDArray[np.float64]:
        """Reals called fake at the threshold, float64 [D]."""
        return self.total((self.labels == 0) & (self.scores >= self.threshold))

    @cached_property
    def hits(self) -> NDArray[np.float64]:
        """Fakes called fake at the threshold, float64 [D]."""
        return self.total((self.labels == 1) & (self.scores >= self.threshold))

    @cached_property
    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Reals and fakes at or above each distinct score, from the highest down, float64 [D, K + 1] each.

        The first column is 0: nothing lies above the highest score.
        """
        order = np.argsort(-self.scores, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(self.scores[order])), len(order) - 1)
        fakes = self.labels[order] == 1
        weights = self.weights[:, order]
        counts = []
        for rows in (~fakes, fakes):
            own = np.cumsum(weights * rows, axis=1)[:, ends]
            counts.append(np.concatenate([np.zeros((len(own), 1)), own], axis=1))
        return counts[0], counts[1]

    @cached_property
    def rates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """False-positive and true-positive rate at each distinct score, [D, K + 1] each; NaN without the class."""
        reals, fakes = self.curve
        return ratio(reals, self.num_real[:, None]), ratio(fakes, self.num_fake[:, None])


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns above / below, NaN where below is 0."""
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def draw_groups(groups: Sequence[str], *, num_draws: int = NUM_DRAWS, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """Draws whole groups with replacement, as many as there are.

    What shares a person or an original is not independent (Field and Welsh 2007, the cluster bootstrap).

    Args:
        groups: N names, one a row.
        num_draws: how many draws in all.
        seed: of the draws.

    Yields:
        Weights of the rows, float64 [up to num_draws, N], a part of the draws at a time so that memory stays bounded.
    """
    names, numbers = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=num_draws).astype(np.float64)
    step = max(1, _CELLS_AT_ONCE // len(numbers))
    for first in range(0, num_draws, step):
        yield counts[first : first + step][:, numbers]


def num_groups_of_a_class(labels: ArrayLike, groups: Sequence[str]) -> int:
    """Returns how many groups hold reals or how many hold fakes, whichever is fewer, of the classes that are there.

    Args:
        labels: int [N], 0 real and 1 fake.
        groups: N names.
    """
    held: dict[int, set[str]] = {}
    for label, group in zip(np.asarray(labels).tolist(), groups, strict=True):
        held.setdefault(label, set()).add(group)
    return min(len(one) for one in held.values())


def middle(values: NDArray[np.float64], num_groups: int) -> Interval:
    """Returns the 95 % percentile interval of the draws' values.

    The fewer groups there are, the further out than 2.5 and 97.5 the percentiles lie, as Student's t lies further out
    than the normal distribution: otherwise intervals from few groups are too narrow (Hesterberg 2015, "What teachers
    should know about the bootstrap", the expanded percentile interval).

    Args:
        values: float64 [D]; NaN is no value.
        num_groups: that were drawn from, 2 or more; with classes in groups of their own, the groups of the rarer one.
    """
    defined = values[np.isfinite(values)]
    if not defined.size:
        return Interval(float("nan"), float("nan"), len(values))
    freedom = max(num_groups - 1, 1)
    tail = scipy.special.ndtr(scipy.special.stdtrit(freedom, 0.025) * np.sqrt((freedom + 1) / freedom))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(float(low), float(high), len(values) - defined.size)


def highest_true_rate(draws: Draws, rate: float) -> NDArray[np.float64]:
    """Returns the highest true-positive rate at which the false-positive rate is no more than `rate`, float64 [D]."""
    false_rate, true_rate = draws.rates
    highest = np.max(np.where(false_rate <= rate, true_rate, 0.0), axis=1)
    return np.where((draws.num_real > 0) & (draws.num_fake > 0), highest, np.nan)
