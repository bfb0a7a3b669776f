"""Which settings the result of a trial depended on, as far as the trials of one search can tell.

A random forest learns the rank of a trial from its settings; how much worse it guesses held-out trials when one setting
is shuffled among them is that setting's importance (permutation importance, Breiman 2001). How well it guesses at all
says how far to trust that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_TRIALS = 10
_EXPLAINS_NOTHING = 0.05
_NUM_PARTS, _NUM_TIMES, _NUM_SHUFFLES, _NUM_TREES = 5, 2, 4, 40


@dataclass(frozen=True)
class Importance:
    """What the trials say of the settings.

    Attributes:
        names: of the settings that differ between trials, the most important first.
        shares: float64 [N], growth of the squared error of the guessed ranks, as a share of their variance.
        spreads: float64 [N], standard deviation of that over the parts that were held out.
        explained: share of the variance of held-out ranks that the forest guesses right; 0.05 or less is nothing.
        num_trials: that it learned from.
    """

    names: tuple[str, ...]
    shares: NDArray[np.float64]
    spreads: NDArray[np.float64]
    explained: float
    num_trials: int

    @property
    def note(self) -> str:
        """What a reader should think of it."""
        if self.explained < _EXPLAINS_NOTHING:
            return (
                f"From their settings alone the ranks of held-out trials cannot be guessed: {self.num_trials} "
                "trials do not show which setting matters. Do not read anything into the bars."
            )
        strength = "a small part" if self.explained < 0.3 else "a good part" if self.explained < 0.7 else "most"
        return (
            f"The forest guesses {strength} of the differences between held-out trials "
            f"({100 * self.explained:.0f} %), learning from {self.num_trials} trials. Settings that only matter "
            "together share their importance, and what was not varied has none."
        )


def measure(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], monitor: str, log_names: Sequence[str] = ()
) -> Importance | None:
    """Returns the importance of settings, None if there are too few trials or too little to tell.

    Args:
        rows: of trials.csv.
        names: the columns to look at.
        monitor: the column to explain.
        log_names: those of `names` whose orders of magnitude count.
    """
    scored = [row for row in rows if row[monitor] is not None]
    names = [name for name in names if len({row.get(name) for row in scored}) > 1]
    if len(scored) < MIN_TRIALS or not names or len({row[monitor] for row in scored}) < 3:
        return None
    features = np.stack([_column(scored, name, name in log_names) for name in names], axis=1)
    ranks = _ranks(np.array([row[monitor] for row in scored], np.float64))
    plain, shuffled = _errors(features, ranks)
    growth = (shuffled - plain[:, None]) / np.var(ranks)
    shares = growth.mean(axis=0)
    order = np.argsort(-shares, kind="stable")
    return Importance(
        names=tuple(names[one] for one in order),
        shares=shares[order],
        spreads=growth.std(axis=0)[order],
        explained=float(1 - plain.mean() / np.var(ranks)),
        num_trials=len(scored),
    )


def _errors(features: NDArray, ranks: NDArray) -> tuple[NDArray, NDArray]:
    """The mean squared error of each held-out part [P], and with each setting shuffled [P, N]."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import RepeatedKFold

    draws = np.random.default_rng(0)
    num_columns = features.shape[1]
    plain, shuffled = [], []
    for learn, hold in RepeatedKFold(n_splits=_NUM_PARTS, n_repeats=_NUM_TIMES, random_state=0).split(features):
        forest = RandomForestRegressor(_NUM_TREES, max_features=0.5, random_state=0).fit(features[learn], ranks[learn])
        # Asked once for all: most of what a forest takes, it takes for each question.
        asked = np.broadcast_to(features[hold], (1 + num_columns * _NUM_SHUFFLES, len(hold), num_columns)).copy()
        for number in range(1, len(asked)):
            column = (number - 1) % num_columns
            # From all trials: a held-out part is too small to hold every value.
            asked[number, :, column] = draws.choice(features[:, column], len(hold))
        answers = forest.predict(asked.reshape(-1, num_columns)).reshape(len(asked), len(hold))
        errors = np.mean((answers - ranks[hold]) ** 2, axis=1)
        plain.append(errors[0])
        shuffled.append(errors[1:].reshape(_NUM_SHUFFLES, num_columns).mean(axis=0))
    return np.array(plain), np.array(shuffled)


def _column(rows: Sequence[Mapping[str, Any]], name: str, is_log: bool) -> NDArray[np.float64]:
    """Numbers of a setting; where it is not used its most usual ones, so that it does not tell which plugin is."""
    values = [row.get(name) for row in rows]
    there = [one for one in values if one is not None]
    if any(isinstance(one, str) for one in there):
        kinds, counts = np.unique([str(one) for one in there], return_counts=True)
        usual = kinds[np.argmax(counts)]
        return np.searchsorted(kinds, [usual if one is None else str(one) for one in values]).astype(np.float64)
    numbers = np.array([np.nan if one is None else float(one) for one in values])
    numbers = np.log(numbers) if is_log else numbers
    return np.where(np.isnan(numbers), np.nanmedian(numbers), numbers)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0, equal values sharing their mean: one failed guess of a loss must not outweigh all others."""
    order = np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64)
    for value in np.unique(values):
        order[values == value] = order[values == value].mean()
    return order
