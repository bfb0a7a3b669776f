"""A support vector machine with a Gaussian kernel: a bent boundary, told by the clips that lie near it.

It keeps those clips' embeddings, and fitting takes the square of their number: for up to some ten thousand clips.
"""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from deepfake_tf.classifiers import _distances
from deepfake_tf.probing.fitted import Arrays

GRID: tuple[dict[str, Any], ...] = ({"C": 1.0}, {"C": 0.1}, {"C": 10.0})
LOGIT = "the decision function: 0 on the boundary, 1 and -1 on the margins; no probability before it is calibrated"


def fit(features: NDArray[np.float64], labels: NDArray[np.int64], *, seed: int, C: float = 1.0) -> Any:
    """Returns scikit-learn's SVC, in which both classes weigh the same; its kernel is as wide as the data."""
    from sklearn.svm import SVC

    return SVC(C=C, kernel="rbf", gamma="scale", class_weight="balanced").fit(features, labels)


def logits(estimator: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns scikit-learn's decision function, float64 [N]."""
    return np.asarray(estimator.decision_function(features))


def to_arrays(estimator: Any) -> dict[str, Any]:
    """Returns {"vectors": [S, D], "weights": [S], "offset": [1], "gamma": [1]}."""
    return {
        "vectors": estimator.support_vectors_,
        "weights": np.ravel(estimator.dual_coef_),
        "offset": np.ravel(estimator.intercept_),
        # The number that "scale" came to.
        "gamma": np.array([estimator._gamma]),
    }


def apply(arrays: Arrays, features: Any) -> Any:
    """Returns the sum over support vectors of weight times exp(-gamma distance^2), plus the offset: [B]."""
    kernel = ops.exp(-arrays["gamma"] * _distances.squared(features, arrays["vectors"]))
    return ops.matmul(kernel, arrays["weights"]) + arrays["offset"]
