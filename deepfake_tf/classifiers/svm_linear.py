"""A support vector machine without a kernel: the plane with the widest margin."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.classifiers import _linear

GRID: tuple[dict[str, Any], ...] = ({"C": 0.001}, {"C": 0.01}, {"C": 0.1})
LOGIT = "the decision function: 0 on the plane, 1 and -1 on the margins; no probability before it is calibrated"

logits = _linear.logits
to_arrays = _linear.to_arrays
apply = _linear.apply


def fit(features: NDArray[np.float64], labels: NDArray[np.int64], *, seed: int, C: float = 0.01) -> Any:
    """Returns scikit-learn's LinearSVC, in which both classes weigh the same; C bounds its weights."""
    from sklearn.svm import LinearSVC

    # From the dual problem, which is quick where there are more features than clips; it ends at 10,000 passes.
    classifier = LinearSVC(C=C, class_weight="balanced", dual="auto", max_iter=10_000, random_state=seed)
    return classifier.fit(features, labels)
