"""One cell of a probe's table: a reduction and a classifier, fitted on embeddings of the split "train".

The classifier's settings are chosen by cross-validation over the groups of that split: in each fold everything is
fitted anew, standardisation and reduction included, and scored on clips as they are, never on transformed copies.
"""

import dataclasses
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import plugins, reductions
from deepfake_tf.errors import TrainingError
from deepfake_tf.metrics import roc_auc
from deepfake_tf.probing import standardise
from deepfake_tf.probing.fitted import Arrays, apply_now
from deepfake_tf.probing.probe_model import PARTS, FittedProbe
from deepfake_tf.probing.probe_settings import ProbeSettings

TOLERANCE = 1e-5
"""How far a logit of the Keras layers may lie from scikit-learn's; of one above 1 in size, as a share of it."""


@dataclass(frozen=True)
class Examples:
    """Embeddings of training clips.

    Attributes:
        features: float [N, D].
        labels: int64 [N], 0 real, 1 fake.
        groups: N names.
        face_groups: N groups of the people whose faces are shown, see `ClipTable`.
        is_copy: bool [N], which are of clips that went through the transform.
    """

    features: NDArray[Any]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    face_groups: tuple[str, ...]
    is_copy: NDArray[np.bool_]

    def with_copies(self, copies: NDArray[Any]) -> "Examples":
        """Returns every clip twice: as it is, and as it became through a transform [N, D]."""
        count = len(self.labels)
        return Examples(
            np.concatenate([self.features, copies]),
            np.concatenate([self.labels, self.labels]),
            self.groups + self.groups,
            self.face_groups + self.face_groups,
            np.arange(2 * count) >= count,
        )


@dataclass(frozen=True)
class _Reduced:
    """What classifiers see of some examples."""

    arrays: Mapping[str, Arrays]
    features: NDArray[np.float64]
    labels: NDArray[np.int64]


class Bench:
    """Training embeddings, standardised and reduced once for all classifiers: as a whole, and in each fold."""

    def __init__(self, examples: Examples, reduction: str, *, num_folds: int, seed: int) -> None:
        """Fits nothing yet.

        Args:
            examples: both classes.
            reduction: its name, see reductions/.
            num_folds: at most; as many as there are groups if there are fewer.
            seed: of folds and of what is fitted.
        """
        self.reduction, self.seed = reduction, seed
        self._examples, self._num_folds = examples, num_folds

    @cached_property
    def whole(self) -> _Reduced:
        """All examples."""
        return self._fit(np.arange(len(self._examples.labels)))

    @cached_property
    def folds(self) -> list[tuple[_Reduced, NDArray[np.float64], NDArray[np.int64]]]:
        """What a fold is fitted on, and the features and labels that it is scored on."""
        made = []
        for fitted_rows, scored_rows in _fold_rows(self._examples, self._num_folds, self.seed):
            part = self._fit(fitted_rows)
            made.append((part, self._reduce(part.arrays, scored_rows), self._examples.labels[scored_rows]))
        return made

    def _fit(self, rows: NDArray[np.int64]) -> _Reduced:
        file, width = reductions.parse(self.reduction)
        plugin = plugins.load("reductions", file)
        features = self._examples.features[rows].astype(np.float64)
        scales = standardise.fit(features)
        found = plugin.fit(apply_now(standardise.apply, scales, features), width or plugin.WIDTH, seed=self.seed)
        arrays = {"standardise": scales, "reduction": found}
        return _Reduced(arrays, self._reduce(arrays, rows), self._examples.labels[rows])

    def _reduce(self, arrays: Mapping[str, Arrays], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        plugin = plugins.load("reductions", reductions.parse(self.reduction)[0])
        features = self._examples.features[rows].astype(np.float64)
        return apply_now(
            plugin.apply, arrays["reduction"], apply_now(standardise.apply, arrays["standardise"], features)
        )


@dataclass(frozen=True)
class FittedCell:
    """A fitted probe.

    Attributes:
        settings: with those of the classifier that were chosen.
        probe: what was fitted.
        cv_auc: mean AUC over clips of the folds with these settings; None where there were no folds.
        num_features: that the classifier sees.
        fit_sec: how long it took, its part of standardising and reducing not counted.
    """

    settings: ProbeSettings
    probe: FittedProbe
    cv_auc: float | None
    num_features: int
    fit_sec: float


def fit_cell(settings: ProbeSettings, bench: Bench) -> FittedCell:
    """Chooses a classifier's settings, and fits it on all examples.

    Args:
        settings: of the probe; its classifier's settings are replaced.
        bench: of its reduction.

    Raises:
        TrainingError: the Keras layers do not give scikit-learn's logits, which must never happen.
    """
    begin = time.monotonic()
    plugin = plugins.load("classifiers", settings.classifier)
    grid = [dict(one) for one in plugin.GRID]
    cv_aucs = [_score_settings(plugin, one, bench) for one in grid]
    # The first, which is the plainest, among equals; without folds the first of all.
    best = int(np.argmax([-np.inf if np.isnan(auc) else round(auc, 6) for auc in cv_aucs]))
    estimator = _fit(plugin, bench.whole, grid[best], bench.seed)
    arrays = plugin.to_arrays(estimator)
    _check_equal(plugin, estimator, arrays, bench.whole.features)
    probe = FittedProbe(
        settings.reduction, settings.classifier, dict(zip(PARTS, (*bench.whole.arrays.values(), arrays), strict=True))
    )
    return FittedCell(
        settings=dataclasses.replace(settings, classifier_settings=grid[best]),
        probe=probe,
        cv_auc=None if np.isnan(cv_aucs[best]) else cv_aucs[best],
        num_features=bench.whole.features.shape[1],
        fit_sec=time.monotonic() - begin,
    )


def _score_settings(plugin: Any, settings: Mapping[str, Any], bench: Bench) -> float:
    aucs = [
        roc_auc.compute(labels, plugin.logits(_fit(plugin, part, settings, bench.seed), features))
        for part, features, labels in bench.folds
    ]
    return float(np.mean(aucs)) if aucs else float("nan")


def _fit(plugin: Any, part: _Reduced, settings: Mapping[str, Any], seed: int) -> Any:
    with warnings.catch_warnings():
        # That a fit ended at its number of passes, which is a way to regularise, is no news to anyone.
        warnings.filterwarnings("ignore", category=_convergence_warning())
        return plugin.fit(part.features, part.labels, seed=seed, **settings)


def _convergence_warning() -> type[Warning]:
    from sklearn.exceptions import ConvergenceWarning

    return ConvergenceWarning


def _check_equal(plugin: Any, estimator: Any, arrays: Arrays, features: NDArray[np.float64]) -> None:
    expected, found = plugin.logits(estimator, features), apply_now(plugin.apply, arrays, features)
    worst = float(np.max(np.abs(found - expected) / np.maximum(1, np.abs(expected))))
    if not worst <= TOLERANCE:
        raise TrainingError(
            f"The Keras layers of {plugin.__name__.rpartition('.')[2]} lie {worst:.2g} from scikit-learn's logits; "
            f"{TOLERANCE:g} is allowed. It cannot be served."
        )


def _fold_rows(examples: Examples, num_folds: int, seed: int) -> Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Returns the rows that each fold is fitted and scored on; folds that lack a class on a side are left out.

    A fake that wears the face of somebody of the other side is on neither: that person is real there.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    groups, face_groups = (np.array(one, dtype=object).astype(str) for one in (examples.groups, examples.face_groups))
    count = min(num_folds, len(np.unique(groups)), *np.bincount(examples.labels, minlength=2).tolist())
    if count < 2:
        return []
    with warnings.catch_warnings():
        # Few groups of a class make uneven folds; what lacks a class is left out below.
        warnings.simplefilter("ignore", UserWarning)
        folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        parted = list(folds.split(np.zeros(len(groups)), examples.labels, groups))
    apart = [[rows[np.isin(face_groups[rows], groups[rows])] for rows in sides] for sides in parted]
    scored = [(fitted, rows[~examples.is_copy[rows]]) for fitted, rows in apart]
    both = [
        (fitted, rows) for fitted, rows in scored if all(len(set(examples.labels[one])) == 2 for one in (fitted, rows))
    ]
    return both
