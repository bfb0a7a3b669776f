"""Weights in files: their layout, and what is no file of weights."""

import keras
import numpy as np
import pytest

from deepfake_tf.backbones import _weights, meso_inception_4
from deepfake_tf.errors import AssetError


def test_kernels_change_their_layout():
    layers = [keras.layers.Conv2D(4, 3), keras.layers.DepthwiseConv2D(3), keras.layers.Dense(5, use_bias=False)]
    shapes = [(1, 8, 8, 2), (1, 8, 8, 2), (1, 2)]
    torch_shapes = [(4, 2, 3, 3), (2, 1, 3, 3), (5, 2)]
    for layer, shape, torch_shape in zip(layers, shapes, torch_shapes, strict=True):
        layer.build(shape)
        state = {"x.weight": np.arange(np.prod(torch_shape), dtype="float32").reshape(torch_shape)}
        if len(layer.weights) > 1:
            state["x.bias"] = np.arange(layer.weights[1].shape[0], dtype="float32")
        _weights.TorchState(state).assign(layer, "x")
        kernel = np.asarray(layer.weights[0])
        if len(torch_shape) == 4:
            # Second output channel, first input channel, second row, third column.
            place = (1, 2, 0, 1) if torch_shape[1] == 2 else (1, 2, 1, 0)
            assert kernel[place] == state["x.weight"][1, 0, 1, 2]
        else:
            np.testing.assert_array_equal(kernel, state["x.weight"].T)


def test_names_of_data_parallel_are_understood():
    layer = keras.layers.Dense(1)
    layer.build((None, 1))
    taker = _weights.TorchState({"module.x.weight": np.ones([1, 1]), "module.x.bias": np.zeros([1])})
    taker.assign(layer, "x")
    taker.finish()


def test_a_keras_file_of_another_network_is_refused(tmp_path):
    meso_inception_4.build(64).save_weights(tmp_path / "small.weights.h5")
    with pytest.raises(AssetError, match=r"small\.weights\.h5 does not hold weights of meso_inception_4"):
        meso_inception_4.build(128, weights=str(tmp_path / "small.weights.h5"))
