"""One decision tree: a few questions about single features, which can be read."""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from deepfake_tf.classifiers import _log_odds, _trees
from deepfake_tf.probing.fitted import Arrays

GRID: tuple[dict[str, Any], ...] = ({"max_depth": 3}, {"max_depth": 6})
LOGIT = f"the log-odds of the leaf's share of fakes, kept {_log_odds.MIN_PROBABILITY} from 0 and 1"
MIN_CLIPS_OF_LEAF = 5


def fit(features: NDArray[np.float64], labels: NDArray[np.int64], *, seed: int, max_depth: int = 3) -> Any:
    """Returns scikit-learn's DecisionTreeClassifier, in which both classes weigh the same."""
    from sklearn.tree import DecisionTreeClassifier

    classifier = DecisionTreeClassifier(
        max_depth=max_depth, min_samples_leaf=MIN_CLIPS_OF_LEAF, class_weight="balanced", random_state=seed
    )
    return classifier.fit(features, labels)


def logits(estimator: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the log-odds of scikit-learn's probabilities, float64 [N]."""
    return _log_odds.of_array(estimator.predict_proba(features)[:, 1])


def to_arrays(estimator: Any) -> dict[str, Any]:
    """Returns the nodes, see _trees.py."""
    return _trees.to_arrays([estimator.tree_], [estimator.tree_.value[:, 0, 1]])


def apply(arrays: Arrays, features: Any) -> Any:
    """Returns the log-odds of the leaf's probability: [B]."""
    return _log_odds.of_tensor(ops.mean(_trees.answers(arrays, features), axis=1))
