"""Which clips make up the batches of an epoch: index arithmetic, without pixels.

Everything follows from the seed and the epoch's number: there is no state, so that any position can be returned to, and
several workers agree without talking. Clips are drawn without repetition as long as there are others: the draws of a
class go through all its clips in a new order each time, across epochs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import plugins
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.schema import FAKE, REAL

Balance = Literal["none", "class", "method", "group", "pairs"]
BALANCES: tuple[str, ...] = get_args(Balance)

NO_PARTNER = -1
# Multiples of it modulo 1 fill [0, 1) evenly, however many are taken: shares come out exact in every stretch.
_GOLDEN = (5**0.5 - 1) / 2
_MIX_ALPHA = 0.5


@dataclass(frozen=True)
class Sampling:
    """How training clips are drawn.

    Attributes:
        recipe: name of a file in recipes/, the augmentation.
        batch_size: B, over all workers.
        seed: of order, augmentation, self-blending and mixing.
        balance: "none": every clip once an epoch; "class": as many fakes as reals in every batch; "method", "group":
            likewise, and within a class every method or group equally often; "pairs": every fake beside its own real,
            with the same augmentation; a fake whose own real is not there stands beside another.
        blended_share: share of the fakes that are made from real clips by self-blending, in [0, 1]; with 1 no fakes
            are needed. Not with balance "none".
        mixed_share: share of the fakes that are mixed with their own real, the label with them, in [0, 1]; only with
            balance "pairs" (Zhang et al., "mixup", 2018; aligned as in the Deepfake Detection Challenge, 2020).
        dataset_weights: how often each data set of the manifest is drawn from, against the others; all clips alike if
            empty. Not with balance "none".
        class_weights: of a real and of a fake clip in the loss.
    """

    recipe: str = "basic"
    batch_size: int = 16
    seed: int = 0
    balance: Balance = "none"
    blended_share: float = 0.0
    mixed_share: float = 0.0
    dataset_weights: Mapping[str, float] = field(default_factory=dict)
    class_weights: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        plugins.check("recipes", self.recipe)
        if self.balance not in BALANCES:
            raise ConfigError(f"balance must be one of {', '.join(BALANCES)}. Received: {self.balance!r}")
        if self.batch_size < 1 or (self.balance == "pairs" and self.batch_size % 2):
            raise ConfigError(f"batch_size must be 1 or more, and even for pairs. Received: {self.batch_size}")
        for name in ("blended_share", "mixed_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in [0, 1]. Received: {name}={getattr(self, name)}")
        if any(not weight >= 0 for weight in self.dataset_weights.values()):
            raise ConfigError(f"dataset_weights must be 0 or more. Received: {dict(self.dataset_weights)}")
        if self.balance == "none" and (self.blended_share or self.dataset_weights):
            raise ConfigError('blended_share and dataset_weights need a balance other than "none", such as "class".')
        if self.mixed_share and self.balance != "pairs":
            raise ConfigError(f'mixed_share needs balance "pairs". Received: balance={self.balance!r}')


@dataclass(frozen=True)
class Draws:
    """M clips to be loaded, one after the other.

    Attributes:
        rows: int64 [M], rows of the table.
        blended: bool [M], which become self-blended fakes.
        partners: int64 [M], rows to be mixed in, or NO_PARTNER.
        shares: float32 [M], the partner's share in the mix, in [0, 1].
        labels: float32 [M], 0 real, 1 fake, between them for a mix.
        seeds: int64 [M], of each clip's augmentation; equal within a pair.
    """

    rows: NDArray[np.int64]
    blended: NDArray[np.bool_]
    partners: NDArray[np.int64]
    shares: NDArray[np.float32]
    labels: NDArray[np.float32]
    seeds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, positions: NDArray | slice) -> "Draws":
        """Returns some of the draws, in the order given."""
        return Draws(*(getattr(self, name)[positions] for name in Draws.__dataclass_fields__))


class Sampler:
    """Draws the clips of any epoch."""

    def __init__(self, clips: ClipTable, sampling: Sampling) -> None:
        """Sorts the clips into what is drawn from.

        Args:
            clips: labelled clips, one or more.
            sampling: how to draw.

        Raises:
            DataError: there is nothing of a kind that must be drawn.
        """
        self._clips, self._sampling = clips, sampling
        self.num_batches = clips.num_batches(sampling.batch_size)
        if sampling.balance != "none":
            self._reals = _Stream(clips, REAL, sampling, purpose=0)
            self._sources = self._reals.with_purpose(2)
            self._fakes = _Stream(clips, FAKE, sampling, purpose=1) if sampling.blended_share < 1 else self._sources
        if sampling.balance == "pairs":
            self._own_reals = find_own_reals(clips)

    def epoch(self, number: int) -> Draws:
        """Returns the draws of an epoch, `num_batches` batches of them.

        The last batch may be smaller with balance "none".

        Args:
            number: of the epoch, from 0.
        """
        random = np.random.default_rng([self._sampling.seed, number])
        if self._sampling.balance == "none":
            rows = random.permutation(len(self._clips))
            return _plain_draws(rows, self._clips.labels[rows], random.integers(2**62, size=len(rows)))
        num_draws = self.num_batches * self._sampling.batch_size
        num_fakes = num_draws // 2
        fakes, blended = self._draw_fakes(number * num_fakes, num_fakes)
        if self._sampling.balance == "pairs":
            return self._pairs(fakes, blended, number, random)
        reals = self._reals.draw(number * (num_draws - num_fakes), num_draws - num_fakes)
        rows = _interleave(reals, fakes)
        draws = _plain_draws(rows, np.arange(num_draws) % 2, random.integers(2**62, size=num_draws))
        draws.blended[1::2] = blended
        return draws

    def _draw_fakes(self, begin: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        # How many there are among the first n fakes: the share holds in every stretch, across epochs too.
        so_far = np.floor(np.arange(begin, begin + count + 1) * self._sampling.blended_share).astype(np.int64)
        blended = np.diff(so_far) == 1
        num_before, num_blended = int(so_far[0]), int(blended.sum())
        rows = np.empty(count, np.int64)
        rows[blended] = self._sources.draw(num_before, num_blended)
        rows[~blended] = self._fakes.draw(begin - num_before, count - num_blended)
        return rows, blended

    def _pairs(self, fakes: NDArray, blended: NDArray, epoch: int, random: np.random.Generator) -> Draws:
        """Puts every fake beside its own real."""
        num_pairs = len(fakes)
        own = np.array(
            [self._own_real(row, is_blended, random) for row, is_blended in zip(fakes, blended, strict=True)]
        )
        alone = own == NO_PARTNER
        reals = own.copy()
        reals[alone] = self._reals.draw(epoch * num_pairs, num_pairs)[alone]
        seeds = np.repeat(random.integers(2**62, size=num_pairs), 2)
        draws = _plain_draws(_interleave(reals, fakes), np.arange(2 * num_pairs) % 2, seeds)
        draws.blended[1::2] = blended
        mixed = (random.random(num_pairs) < self._sampling.mixed_share) & ~alone
        shares = np.where(mixed, random.beta(_MIX_ALPHA, _MIX_ALPHA, num_pairs), 0).astype(np.float32)
        draws.partners[1::2] = np.where(mixed, reals, NO_PARTNER)
        draws.shares[1::2] = shares
        draws.labels[1::2] = 1 - shares
        return draws

    def _own_real(self, row: int, is_blended: bool, random: np.random.Generator) -> int:
        choices = [row] if is_blended else self._own_reals[int(row)]
        return int(choices[random.integers(len(choices))]) if len(choices) else NO_PARTNER


def worker_part(draws: Draws, batch_size: int, worker: int, num_workers: int) -> Draws:
    """Returns one worker's part of every batch: the workers' batches side by side are the batch that one would see.

    Args:
        draws: an epoch's.
        batch_size: B, over all workers.
        worker: which, from 0.
        num_workers: how many.
    """
    if num_workers == 1:
        return draws
    # A smaller last batch is filled up from the epoch's beginning: every worker has as much to do.
    num_batches = -(-len(draws) // batch_size)
    positions = np.resize(np.arange(len(draws)), num_batches * batch_size)
    return draws.select(positions.reshape(num_batches, num_workers, -1)[:, worker].ravel())


def find_own_reals(clips: ClipTable) -> dict[int, NDArray[np.int64]]:
    """Returns for the row of each fake the rows of its own real.

    That is the video it was made from if the manifest says so, else any real of its group; the clips cut at the same
    place if there are such, else all.
    """
    by_video = _rows_by(clips.video_ids, clips.labels == REAL)
    by_group = _rows_by(clips.groups, clips.labels == REAL)
    none = np.zeros(0, np.int64)
    places = np.array([name[len(video) :] for name, video in zip(clips.example_ids, clips.video_ids, strict=True)])
    own = {}
    for row in np.flatnonzero(clips.labels == FAKE).tolist():
        found = by_video.get(clips.original_ids[row], none)
        if not len(found) and clips.groups[row]:
            found = by_group.get(clips.groups[row], none)
        same_place = found[places[found] == places[row]]
        own[row] = same_place if len(same_place) else found
    return own


class _Stream:
    """An endless row of draws of one class: data sets by weight, then methods or groups in turn, then clips in turn."""

    def __init__(self, clips: ClipTable, label: int, sampling: Sampling, *, purpose: int) -> None:
        self._key = (sampling.seed, purpose)
        weights = sampling.dataset_weights or {}
        by_dataset = _rows_by(clips.datasets if weights else [""] * len(clips), clips.labels == label)
        kept = {name: rows for name, rows in by_dataset.items() if not weights or weights.get(name, 0) > 0}
        if not kept:
            what = "real" if label == REAL else "fake"
            raise DataError(
                f"No {what} clips to draw from. Expected some in the split"
                + (f" with one of the data sets {', '.join(weights)}." if weights else ".")
                + (" With blended_share 1 none are needed." if label == FAKE else "")
            )
        names = {"method": clips.methods, "group": clips.groups}.get(sampling.balance)
        self._strata = [_strata(rows, names) for rows in kept.values()]
        shares = np.array([weights.get(name, 1.0) for name in kept])
        self._shares = shares / shares.sum()

    def with_purpose(self, purpose: int) -> "_Stream":
        """Returns a stream of the same clips in another order."""
        other = _Stream.__new__(_Stream)
        other._strata, other._shares = self._strata, self._shares
        other._key = (self._key[0], purpose)
        return other

    def draw(self, begin: int, count: int) -> NDArray[np.int64]:
        """Returns the rows of `count` draws from number `begin` on."""
        spread = (np.arange(begin, begin + count) * _GOLDEN) % 1
        dataset = np.minimum(np.searchsorted(np.cumsum(self._shares), spread, side="right"), len(self._shares) - 1)
        rows = np.empty(count, np.int64)
        for number, strata in enumerate(self._strata):
            chosen = dataset == number
            numbers = int(begin * self._shares[number]) + np.arange(int(chosen.sum()))
            rows[chosen] = self._draw_in_turn(strata, numbers, number)
        return rows

    def _draw_in_turn(self, strata: Sequence[NDArray], numbers: NDArray, dataset: int) -> NDArray[np.int64]:
        stratum = _in_turn(len(strata), numbers, (*self._key, dataset, 0))
        round_number = numbers // len(strata)
        rows = np.empty(len(numbers), np.int64)
        for one in np.unique(stratum).tolist():
            here = stratum == one
            rows[here] = strata[one][_in_turn(len(strata[one]), round_number[here], (*self._key, dataset, 1 + one))]
        return rows


def _in_turn(num_things: int, numbers: NDArray, key: Sequence[int]) -> NDArray[np.int64]:
    """Returns which of the things each draw gets; every stretch of `num_things` draws gets each of them once."""
    if num_things == 1:
        return np.zeros(len(numbers), np.int64)
    chosen = np.empty(len(numbers), np.int64)
    passes = numbers // num_things
    for one in np.unique(passes).tolist():
        here = passes == one
        chosen[here] = np.random.default_rng([*key, one]).permutation(num_things)[numbers[here] % num_things]
    return chosen


def _rows_by(names: Sequence[str], wanted: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
    """Returns the wanted rows by their name, in order of name."""
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return {}
    found, which = np.unique(np.asarray(names, object)[rows].astype(str), return_inverse=True)
    return {str(name): rows[which == number] for number, name in enumerate(found)}


def _strata(rows: NDArray, names: Sequence[str] | None) -> list[NDArray[np.int64]]:
    if names is None:
        return [rows]
    wanted = np.zeros(len(names), bool)
    wanted[rows] = True
    return list(_rows_by(names, wanted).values())


def _interleave(reals: NDArray, fakes: NDArray) -> NDArray[np.int64]:
    rows = np.empty(len(reals) + len(fakes), np.int64)
    rows[::2], rows[1::2] = reals, fakes
    return rows


def _plain_draws(rows: NDArray, labels: NDArray, seeds: NDArray) -> Draws:
    return Draws(
        rows=rows.astype(np.int64),
        blended=np.zeros(len(rows), bool),
        partners=np.full(len(rows), NO_PARTNER, np.int64),
        shares=np.zeros(len(rows), np.float32),
        labels=labels.astype(np.float32),
        seeds=seeds.astype(np.int64),
    )
