"""What all linear classifiers have in common once they are fitted: one weight for each feature, and an offset."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf.probing.fitted import Arrays


def logits(estimator: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns scikit-learn's decision function, float64 [N]."""
    return np.asarray(estimator.decision_function(features))


def to_arrays(estimator: Any) -> dict[str, Any]:
    """Returns {"weights": [D], "offset": [1]}."""
    return {"weights": np.ravel(estimator.coef_), "offset": np.ravel(estimator.intercept_)}


def apply(arrays: Arrays, features: Any) -> Any:
    """Returns features [B, D] times the weights, plus the offset: [B]."""
    return keras.ops.matmul(features, arrays["weights"]) + arrays["offset"]
