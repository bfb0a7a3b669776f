"""Gradient boosting: small trees, each grown to mend what the ones before it left wrong."""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from deepfake_tf.classifiers import _trees
from deepfake_tf.probing.fitted import Arrays

GRID: tuple[dict[str, Any], ...] = ({"n_estimators": 50}, {"n_estimators": 200})
LOGIT = "the log-odds that the trees add up to"


def fit(features: NDArray[np.float64], labels: NDArray[np.int64], *, seed: int, n_estimators: int = 50) -> Any:
    """Returns scikit-learn's GradientBoostingClassifier, in which both classes weigh the same."""
    from sklearn.ensemble import GradientBoostingClassifier

    counts = np.bincount(labels, minlength=2)
    # Each split looks at some of the features only: with hundreds of them that is quicker, and no worse.
    classifier = GradientBoostingClassifier(
        n_estimators=n_estimators, learning_rate=0.1, max_depth=3, max_features="sqrt", random_state=seed
    )
    return classifier.fit(features, labels, sample_weight=(len(labels) / (2 * counts))[labels])


def logits(estimator: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns scikit-learn's decision function, float64 [N]."""
    return np.asarray(estimator.decision_function(features))


def to_arrays(estimator: Any) -> dict[str, Any]:
    """Returns the nodes, see _trees.py, whose answers are steps of the logit, and {"first": [1]}, where it begins."""
    trees = [one.tree_ for one in estimator.estimators_[:, 0]]
    steps = [estimator.learning_rate * tree.value[:, 0, 0] for tree in trees]
    share = estimator.init_.class_prior_[1]
    return {**_trees.to_arrays(trees, steps), "first": np.array([np.log(share / (1 - share))])}


def apply(arrays: Arrays, features: Any) -> Any:
    """Returns the sum of what the trees answer: [B]."""
    return ops.sum(_trees.answers(arrays, features), axis=1) + arrays["first"]
