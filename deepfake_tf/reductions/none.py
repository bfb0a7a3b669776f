"""No reduction: the classifier sees the whole embedding."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.probing.fitted import Arrays

WIDTH = 0


def fit(features: NDArray[np.float64], width: int, *, seed: int) -> dict[str, Any]:
    """Returns nothing: there is nothing to fit."""
    return {}


def apply(arrays: Arrays, features: Any) -> Any:
    """Returns the features as they are, [B, D]."""
    return features
