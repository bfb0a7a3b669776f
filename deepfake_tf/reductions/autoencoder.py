"""A small autoencoder: a network that must say an embedding again after it went through few numbers; those are kept."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from deepfake_tf.probing.fitted import Arrays

WIDTH = 32
NUM_EPOCHS = 60
BATCH_SIZE = 64
LEARNING_RATE = 2e-3


def fit(features: NDArray[np.float64], width: int, *, seed: int) -> dict[str, Any]:
    """Trains the network; returns its first half.

    Args:
        features: float64 [N, D].
        width: K, of the code; the layers around it are four times as wide, or as wide as the features if that is less.
        seed: of the weights and of the order.

    Returns:
        {"weights_0": [D, H], "offset_0": [H], "weights_1": [H, K], "offset_1": [K]}.
    """
    keras.utils.set_random_seed(seed)
    num_features = features.shape[1]
    hidden = min(4 * width, num_features)
    encoder = [keras.layers.Dense(hidden, activation="relu"), keras.layers.Dense(width)]
    decoder = [keras.layers.Dense(hidden, activation="relu"), keras.layers.Dense(num_features)]
    network = keras.Sequential([keras.Input((num_features,)), *encoder, *decoder])
    network.compile(keras.optimizers.Adam(LEARNING_RATE), "mean_squared_error")
    inputs = features.astype(np.float32)
    network.fit(inputs, inputs, batch_size=BATCH_SIZE, epochs=NUM_EPOCHS, verbose=0)
    return {
        f"{kind}_{number}": np.asarray(value, np.float64)
        for number, layer in enumerate(encoder)
        for kind, value in zip(("weights", "offset"), layer.get_weights(), strict=True)
    }


def apply(arrays: Arrays, features: Any) -> Any:
    """Returns the code of features [B, D]: [B, K]."""
    hidden = ops.relu(ops.matmul(features, arrays["weights_0"]) + arrays["offset_0"])
    return ops.matmul(hidden, arrays["weights_1"]) + arrays["offset_1"]
