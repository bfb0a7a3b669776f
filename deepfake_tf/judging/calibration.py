"""From a video's joined logit to a score that means what it says: of videos scored 0.8, 80 % are fake.

Fitted on labelled videos that were not trained on. Temperature and Platt's method keep the order of videos, and so
every metric that looks at nothing else. An isotonic map makes neighbours equal: on the videos it was fitted on, the ROC
AUC of its scores is never below that of the logits, because only neighbours in the wrong order are made equal; on
others it may be higher or lower.

A score says how many of such videos were fake where the share of fakes was that of the videos fitted on. Where fakes
are rarer, a score of 0.8 is rarer right.
"""

import numpy as np
import scipy.optimize
from numpy.typing import ArrayLike, NDArray

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.schema import FAKE, REAL, Calibration

METHODS = ("temperature", "platt", "isotonic", "none")
FEW_FOR_ISOTONIC = 200
"""Videos below which an isotonic map follows chance more than it calibrates."""

_SCALES = (1e-3, 1e3)
"""Of logits with a deviation of 1; at the lower end a model says nothing."""


def fit(logits: ArrayLike, labels: ArrayLike, method: str) -> Calibration:
    """Returns the calibration under which the labels are most likely.

    Labels count as 1 - 1 / (N + 2) and 1 / (N + 2) of N videos of the class, as in Platt (1999), so that a validation
    split without a mistake does not make the detector certain of everything.

    Args:
        logits: float [N], joined.
        labels: int [N], 0 real and 1 fake, both present.
        method: one of METHODS.

    Raises:
        ConfigError: there is no such method.
        DataError: a class is missing, or fakes do not score above reals.
    """
    if method not in METHODS:
        raise ConfigError(f"Unknown calibration {method!r}. Known: {', '.join(METHODS)}.")
    if method == "none":
        return Calibration()
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    counts = [int(np.sum(labels == label)) for label in (REAL, FAKE)]
    if not all(counts):
        raise DataError(f"Calibration needs real and fake videos. Received: {counts[0]} real and {counts[1]} fake.")
    if method == "isotonic":
        return _fit_isotonic(logits, labels)
    targets = np.where(labels == FAKE, 1 - 1 / (counts[1] + 2), 1 / (counts[0] + 2))
    return _fit_sigmoid(logits, targets, with_offset=method == "platt")


def _fit_sigmoid(logits: NDArray[np.float64], targets: NDArray[np.float64], *, with_offset: bool) -> Calibration:
    unit = float(np.std(logits)) or 1.0

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = values[0] * logits / unit + values[1]
        slope = 1 / (1 + np.exp(-z)) - targets
        # log(1 + exp(z)) - target * z is the log loss of the target.
        return float(np.mean(np.logaddexp(0, z) - targets * z)), np.array(
            [np.mean(slope * logits / unit), np.mean(slope)]
        )

    found = scipy.optimize.minimize(
        loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=[_SCALES, (None, None) if with_offset else (0, 0)]
    )
    scale, offset = (float(value) for value in found.x)
    if scale <= 2 * _SCALES[0]:
        raise DataError(
            "The fakes of this split do not score above its reals: there is nothing to calibrate. "
            "Look at the training, or calibrate on more videos."
        )
    return Calibration(scale=scale / unit, offset=offset if with_offset else 0.0)


def _fit_isotonic(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    # No surer than so many videos allow: a level of 0 or 1 would make one mistake infinitely bad.
    least = 1 / (len(logits) + 2)
    line = IsotonicRegression(y_min=least, y_max=1 - least).fit(logits, labels)
    return Calibration(logits=tuple(line.X_thresholds_.tolist()), scores=tuple(line.y_thresholds_.tolist()))
