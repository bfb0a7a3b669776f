"""Principal component analysis: the directions in which embeddings vary most."""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from deepfake_tf.probing.fitted import Arrays

WIDTH = 32


def fit(features: NDArray[np.float64], width: int, *, seed: int) -> dict[str, Any]:
    """Returns {"mean": [D], "components": [D, K]}, K = width, or as many as there can be.

    Args:
        features: float64 [N, D].
        width: components wanted.
        seed: there is nothing to draw.
    """
    from sklearn.decomposition import PCA

    found = PCA(min(width, features.shape[1], len(features) - 1), svd_solver="full").fit(features)
    return {"mean": found.mean_, "components": found.components_.T}


def apply(arrays: Arrays, features: Any) -> Any:
    """Returns features [B, D] along the components: [B, K]."""
    return ops.matmul(features - arrays["mean"], arrays["components"])
