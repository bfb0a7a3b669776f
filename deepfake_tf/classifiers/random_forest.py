"""Many decision trees, each grown from other clips and features, whose probabilities are averaged."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.classifiers import _log_odds, _trees, decision_tree

GRID: tuple[dict[str, Any], ...] = ({"min_samples_leaf": 5}, {"min_samples_leaf": 1})
LOGIT = f"the log-odds of the trees' mean probability, kept {_log_odds.MIN_PROBABILITY} from 0 and 1"
NUM_TREES = 200

logits = decision_tree.logits
apply = decision_tree.apply


def fit(features: NDArray[np.float64], labels: NDArray[np.int64], *, seed: int, min_samples_leaf: int = 5) -> Any:
    """Returns scikit-learn's RandomForestClassifier, in which both classes weigh the same."""
    from sklearn.ensemble import RandomForestClassifier

    classifier = RandomForestClassifier(
        NUM_TREES, min_samples_leaf=min_samples_leaf, class_weight="balanced", random_state=seed
    )
    return classifier.fit(features, labels)


def to_arrays(estimator: Any) -> dict[str, Any]:
    """Returns the nodes of all trees, see _trees.py."""
    trees = [one.tree_ for one in estimator.estimators_]
    return _trees.to_arrays(trees, [tree.value[:, 0, 1] for tree in trees])
