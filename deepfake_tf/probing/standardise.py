"""Embeddings brought to mean 0 and deviation 1, feature by feature, before anything is fitted on them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.probing.fitted import Arrays

_LEAST_SPREAD = 1e-4
"""A feature that varies by less than this share of its size says nothing but how a sum was rounded."""


def fit(features: NDArray[np.float64]) -> dict[str, Any]:
    """Returns {"mean": [D], "factors": [D]}; a feature that does not vary gets the factor 0, and so no say.

    Args:
        features: float64 [N, D].
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    varies = deviation > _LEAST_SPREAD * np.sqrt(np.mean(features**2, axis=0))
    return {"mean": mean, "factors": np.where(varies, 1 / np.where(varies, deviation, 1.0), 0.0)}


def apply(arrays: Arrays, features: Any) -> Any:
    """Returns features [B, D], standardised."""
    return (features - arrays["mean"]) * arrays["factors"]
