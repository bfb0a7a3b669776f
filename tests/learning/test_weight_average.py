"""The moving average of weights by arithmetic."""

import keras
import numpy as np
import pytest

from deepfake_tf.learning.weight_average import WeightAverage


def test_the_average_follows_the_weights_and_changes_places_with_them():
    weight = keras.Variable([1.0, 2.0])
    average = WeightAverage([weight], 0.15)
    expected = np.array([1.0, 2.0])
    for update in range(3):
        weight.assign([10.0 * (update + 1), 0.0])
        average.update()
        momentum = min(0.15, (1 + update) / (10 + update))
        expected = momentum * expected + (1 - momentum) * np.array([10.0 * (update + 1), 0.0])
    with average.in_place():
        np.testing.assert_allclose(np.asarray(weight), expected, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(weight), [30.0, 0.0])


def test_the_weights_come_back_after_an_error():
    weight = keras.Variable([1.0])
    average = WeightAverage([weight], 0.5)
    weight.assign([4.0])
    with pytest.raises(KeyError), average.in_place():
        raise KeyError
    np.testing.assert_array_equal(np.asarray(weight), [4.0])
