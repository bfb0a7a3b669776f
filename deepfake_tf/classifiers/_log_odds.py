"""Probabilities as logits, for classifiers that vote: trees, forests, neighbours."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

MIN_PROBABILITY = 0.01
"""A vote without dissent is no certainty: probabilities are kept this far from 0 and 1, which are infinite as logits,
and one infinite clip would decide a whole video."""


def of_array(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns log(p / (1 - p)) of probabilities kept off 0 and 1, by NumPy."""
    clipped = np.clip(probabilities, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return np.log(clipped) - np.log1p(-clipped)


def of_tensor(probabilities: Any) -> Any:
    """Returns the same in keras.ops."""
    clipped = keras.ops.clip(probabilities, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return keras.ops.log(clipped) - keras.ops.log1p(-clipped)
