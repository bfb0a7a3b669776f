"""Logistic regression, fitted to the end: the plain way to read an embedding."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.classifiers import _linear

GRID: tuple[dict[str, Any], ...] = ({"C": 0.01}, {"C": 0.1}, {"C": 1.0})
LOGIT = "the log-odds of the logistic model"

logits = _linear.logits
to_arrays = _linear.to_arrays
apply = _linear.apply


def fit(features: NDArray[np.float64], labels: NDArray[np.int64], *, seed: int, C: float = 0.1) -> Any:
    """Returns scikit-learn's LogisticRegression, in which both classes weigh the same; C bounds its weights."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=C, class_weight="balanced", max_iter=5000).fit(features, labels)
