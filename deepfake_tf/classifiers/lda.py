"""Linear discriminant analysis: one Gaussian for each class, with one covariance, shrunk because clips are few."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.classifiers import _linear

GRID: tuple[dict[str, Any], ...] = ({"shrinkage": "auto"}, {"shrinkage": 0.5}, {"shrinkage": 0.9})
LOGIT = "the log-odds of two Gaussians, each class as likely as the other beforehand"

logits = _linear.logits
to_arrays = _linear.to_arrays
apply = _linear.apply


def fit(features: NDArray[np.float64], labels: NDArray[np.int64], *, seed: int, shrinkage: float | str = "auto") -> Any:
    """Returns scikit-learn's LinearDiscriminantAnalysis; "auto" shrinks as Ledoit and Wolf (2004) do."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[0.5, 0.5]).fit(features, labels)
