"""Whether two detectors differ in ROC AUC on the same videos: the test of DeLong, DeLong and Clarke-Pearson (1988).

By the fast algorithm of Sun and Xu (2014): the placement of each score among the other class is a difference of two
ranks, so that the work is a sort. Videos are taken as independent, which those of one person are not: the bootstrap
over groups in comparison.py stands beside it.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from deepfake_tf.errors import DataError
from deepfake_tf.schema import FAKE, REAL


@dataclass(frozen=True)
class DeLong:
    """Two AUCs and their difference.

    Attributes:
        aucs: of the first and the second.
        errors: standard error of each.
        difference: the first less the second.
        error: standard error of the difference.
        z: difference / error; 0 where both are 0.
        p: chance of so large a difference, either way, if there is none.
        low: lower end of the difference's 95 % interval.
        high: its upper end.
    """

    aucs: tuple[float, float]
    errors: tuple[float, float]
    difference: float
    error: float
    z: float
    p: float
    low: float
    high: float


def covariance(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the AUCs of K detectors, [K], and their covariance, [K, K].

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [K, N], in any range.

    Raises:
        DataError: a class has fewer than two rows.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    fakes, reals = scores[:, labels == FAKE], scores[:, labels == REAL]
    num_fake, num_real = fakes.shape[1], reals.shape[1]
    if num_fake < 2 or num_real < 2:
        raise DataError(f"DeLong's test needs two fakes and two reals. Received: {num_fake} and {num_real}.")
    rank = scipy.stats.rankdata
    among_all = rank(np.concatenate([fakes, reals], axis=1), axis=1)
    # Of each fake the share of reals below it, of each real the share of fakes above it; ties count half.
    of_fakes = (among_all[:, :num_fake] - rank(fakes, axis=1)) / num_real
    of_reals = 1 - (among_all[:, num_fake:] - rank(reals, axis=1)) / num_fake
    return of_fakes.mean(axis=1), np.cov(of_fakes) / num_fake + np.cov(of_reals) / num_real


def compare(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> DeLong:
    """Tests two detectors on the same rows.

    Args:
        labels: int [N], 0 real and 1 fake.
        first: float [N], in any range.
        second: float [N], in any range.

    Raises:
        DataError: a class has fewer than two rows.
    """
    aucs, matrix = covariance(labels, np.stack([np.asarray(first), np.asarray(second)]))
    difference = float(aucs[0] - aucs[1])
    variance = float(matrix[0, 0] + matrix[1, 1] - 2 * matrix[0, 1])
    # Equal orders differ by rounding alone.
    error = variance**0.5 if variance > 1e-18 else 0.0
    z = difference / error if error else 0.0 if abs(difference) < 1e-12 else float(np.copysign(np.inf, difference))
    reach = NormalDist().inv_cdf(0.975) * error
    return DeLong(
        aucs=(float(aucs[0]), float(aucs[1])),
        errors=(float(matrix[0, 0] ** 0.5), float(matrix[1, 1] ** 0.5)),
        difference=difference,
        error=error,
        z=z,
        p=2 * NormalDist().cdf(-abs(z)) if np.isfinite(z) else 0.0,
        low=difference - reach,
        high=difference + reach,
    )
