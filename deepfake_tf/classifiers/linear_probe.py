"""A linear layer learned by stochastic gradient descent, as papers on representations probe them.

It stops long before the optimum that `logistic_regression` goes to, which is a regularisation of its own.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.classifiers import _linear

GRID: tuple[dict[str, Any], ...] = ({"alpha": 0.1}, {"alpha": 0.01}, {"alpha": 0.001})
LOGIT = "the log-odds of the logistic model"
NUM_EPOCHS = 50

logits = _linear.logits
to_arrays = _linear.to_arrays
apply = _linear.apply


def fit(features: NDArray[np.float64], labels: NDArray[np.int64], *, seed: int, alpha: float = 0.01) -> Any:
    """Returns scikit-learn's SGDClassifier after NUM_EPOCHS, its weights averaged; alpha decays the weights."""
    from sklearn.linear_model import SGDClassifier

    classifier = SGDClassifier(
        loss="log_loss",
        alpha=alpha,
        average=True,
        class_weight="balanced",
        max_iter=NUM_EPOCHS,
        tol=None,
        random_state=seed,
    )
    return classifier.fit(features, labels)
