"""The k nearest clips of the training vote.

It keeps all embeddings that it was fitted on: for up to some ten thousand clips, and best after a reduction.
"""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from deepfake_tf.classifiers import _distances, _log_odds
from deepfake_tf.probing.fitted import Arrays

GRID: tuple[dict[str, Any], ...] = ({"k": 15}, {"k": 5}, {"k": 31})
LOGIT = f"the log-odds of the share of fakes among the neighbours, kept {_log_odds.MIN_PROBABILITY} from 0 and 1"


def fit(features: NDArray[np.float64], labels: NDArray[np.int64], *, seed: int, k: int = 15) -> Any:
    """Returns scikit-learn's KNeighborsClassifier; all clips vote if there are fewer than k."""
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(min(k, len(features)), algorithm="brute").fit(features, labels)


def logits(estimator: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the log-odds of scikit-learn's probabilities, float64 [N]."""
    return _log_odds.of_array(estimator.predict_proba(features)[:, 1])


def to_arrays(estimator: Any) -> dict[str, Any]:
    """Returns {"kept": [N, D], "votes": [N] of 0 and 1, "k": a whole number}."""
    return {
        "kept": estimator._fit_X,
        "votes": estimator._y.astype(np.float64),
        "k": np.int64(estimator.n_neighbors),
    }


def apply(arrays: Arrays, features: Any) -> Any:
    """Returns the log-odds of the nearest clips' mean vote: [B]."""
    distances = _distances.squared(features, arrays["kept"])
    _, nearest = ops.top_k(-distances, arrays["k"], sorted=False)
    return _log_odds.of_tensor(ops.mean(ops.take(arrays["votes"], nearest, axis=0), axis=1))
