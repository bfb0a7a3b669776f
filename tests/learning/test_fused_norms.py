"""Batch normalisation as one operation against arithmetic, and against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from deepfake_tf.learning.freezing import backbone_of
from deepfake_tf.learning.fused_norms import with_fused_norms
from deepfake_tf.learning.settings import ModelSettings
from deepfake_tf.model import build_model


def network(norm, size=4):
    pixels = keras.Input((size, size, 3))
    return keras.Model(pixels, norm(pixels))


def operations(model, shape):
    """Returns the kinds of operations of the model's graph while it learns."""
    graph = tf.function(lambda x: model(x, training=True)).get_concrete_function(tf.TensorSpec(shape))
    return {one.type for one in graph.graph.get_operations()}


@pytest.mark.parametrize("size", [4, 1])
def test_values_and_statistics_are_those_of_the_definition(size):
    x = np.random.default_rng(0).normal(3, 2, [2, 4, 4, 3])[: max(1, size // 2), :size, :size].astype("float32")
    norm = layers.BatchNormalization(momentum=0.8, epsilon=0.01)
    plain = network(norm, size)
    norm.set_weights([np.array(one, "float32") for one in ([1, 2, 3], [4, 5, 6], [0.5, 0, 1], [1, 2, 4])])
    given = with_fused_norms(plain)(x, training=True)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    expected = (x - mean) / np.sqrt(variance + 0.01) * [1, 2, 3] + [4, 5, 6]
    np.testing.assert_allclose(given, expected, atol=1e-5)
    np.testing.assert_allclose(norm.moving_mean, 0.8 * np.array([0.5, 0, 1]) + 0.2 * mean, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, 0.8 * np.array([1, 2, 4]) + 0.2 * variance, rtol=1e-5)


@pytest.mark.parametrize(
    ("backbone", "settings"),
    [
        # Its normalisations lie two networks deep in the second.
        ("small_cnn+meso_inception_4", {"meso_inception_4": {"dropout": 0.0}}),
        ("resnet18", {"num_blocks": [1, 1]}),
    ],
)
def test_a_network_learns_as_with_keras_own(backbone, settings):
    if backbone == "resnet18":
        pytest.importorskip("keras_hub", reason="keras-hub is not installed (the extra `hub`)")
    pixels = np.random.default_rng(0).uniform(0, 255, [4, 2, 64, 64, 3]).astype("float32")
    inputs = {"clips": pixels, "mask": np.ones([4, 2], bool)}
    found = []
    for change in (lambda model: model, with_fused_norms):
        keras.utils.set_random_seed(0)
        model = build_model(ModelSettings(backbone, "mean", 2, 64, backbone_settings=settings, dropout=0.0))
        learner = change(model)
        assert len(learner.variables) == len(model.variables)

        @tf.function
        def step(model=model, learner=learner):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(learner(inputs, training=True) - [0.0, 1.0, 0.0, 1.0]))
            return loss, tape.gradient(loss, model.trainable_variables)

        loss, gradients = step()
        statistics = [np.asarray(one) for one in model.non_trainable_variables]
        found.append((loss, np.concatenate([np.ravel(one) for one in gradients]), statistics))
    (loss, gradients, statistics), (own_loss, own_gradients, own_statistics) = found
    used = operations(backbone_of(learner), (8, 64, 64, 3))
    assert "FusedBatchNormV3" in used
    assert not {"SquaredDifference", "Rsqrt"} & used
    assert float(own_loss) == pytest.approx(float(loss), rel=1e-3)
    # Deep networks of new weights blow rounding up: in float64 gradients move as much when pixels move by 1e-6.
    assert np.linalg.norm(own_gradients - gradients) < 0.05 * np.linalg.norm(gradients)
    for own, one in zip(own_statistics, statistics, strict=True):
        np.testing.assert_allclose(own, one, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"scale": False}, {"center": False}, {"renorm": True}, {"axis": 1}, {"dtype": "float64"}],
    ids=str,
)
def test_what_the_operation_cannot_do_stays_keras(options):
    plain = network(layers.BatchNormalization(**options))
    assert with_fused_norms(plain) is plain


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_statistics_are_float32_where_values_are_not(precision):
    keras.utils.set_random_seed(0)
    x = tf.random.normal([2, 4, 4, 3], 50)
    found = []
    for change in (lambda model: model, with_fused_norms):
        norm = layers.BatchNormalization(dtype=precision)
        y = change(network(norm))(x, training=True)
        assert y.dtype == precision.removeprefix("mixed_")
        found.append((tf.cast(y, tf.float32), norm.get_weights()))
    # A value may be rounded to a neighbour: bfloat16 has eight bits.
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=2**-7, atol=1e-3)
    for own, one in zip(found[1][1], found[0][1], strict=True):
        assert own.dtype == np.float32
        np.testing.assert_allclose(own, one, rtol=1e-4)


def test_values_that_are_no_pictures_stay_keras():
    features = keras.Input((3,))
    plain = keras.Model(features, layers.BatchNormalization()(features))
    assert with_fused_norms(plain) is plain


def test_a_network_that_is_no_graph_stays_as_it_is():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.norm = layers.BatchNormalization()

        def call(self, x):
            return self.norm(x)

    plain = network(Own())
    assert with_fused_norms(plain) is plain


def test_what_does_not_learn_keeps_its_statistics():
    norm = layers.BatchNormalization()
    learner = with_fused_norms(network(norm))
    x = np.full([2, 4, 4, 3], 7, "float32")
    frozen = norm.get_weights()
    for trainable, is_training in ((False, True), (True, False)):
        norm.trainable = trainable
        np.testing.assert_allclose(learner(x, training=is_training), x / np.sqrt(1 + norm.epsilon), rtol=1e-6)
        np.testing.assert_equal(norm.get_weights(), frozen)
