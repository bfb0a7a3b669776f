"""Heads on features that one can reckon with; what every head promises is in tests/heads/test_contract.py."""

import keras
import numpy as np
import pytest

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError
from deepfake_tf.heads import _masked

HEADS = plugins.names("heads")
# Those to which a clip is a set of frames.
WITHOUT_ORDER = {"mean", "max", "mean_std", "attention_pooling"}
MISSING = np.array([[True, False, False, True], [False, False, False, False]])


def build(name: str, num_frames: int = 4, width: int = 3, **settings) -> keras.Model:
    keras.utils.set_random_seed(0)
    plugin = plugins.load("heads", name)
    return plugin.build(num_frames, width, **{**plugin.TINY, **settings})


def run(head: keras.Model, features, mask) -> np.ndarray:
    return keras.ops.convert_to_numpy(head([np.asarray(features, "float32"), np.asarray(mask)], training=False))


def counting() -> np.ndarray:
    """Two clips of 4 frames of 3 features: 0, 1, 2 | 3, 4, 5 | 6, 7, 8 | 9, 10, 11; the missing ones are infinite."""
    features = np.tile(np.arange(12, dtype="float32").reshape(1, 4, 3), (2, 1, 1))
    features[~MISSING] = np.inf
    return features


def test_the_mean_is_that_of_the_frames_that_are_there():
    np.testing.assert_array_equal(run(build("mean"), counting(), MISSING), [[4.5, 5.5, 6.5], [0, 0, 0]])


def test_max_is_that_of_the_frames_that_are_there():
    np.testing.assert_array_equal(run(build("max"), -counting(), MISSING), [[0, -1, -2], [0, 0, 0]])


def test_mean_and_deviation_are_those_of_the_frames_that_are_there():
    out = run(build("mean_std"), counting(), MISSING)
    # Two frames, 9 apart: the deviation is half of that.
    np.testing.assert_allclose(out, [[4.5, 5.5, 6.5, 4.5, 4.5, 4.5], [0] * 6], atol=1e-5)


def test_shares_are_the_softmax_of_what_is_there():
    scores = np.array([[1.0, np.inf, -np.inf, 3.0], [5.0, 6.0, 7.0, 8.0], [1000.0, 0.0, 0.0, 0.0]], "float32")
    mask = np.array([*MISSING, [True] * 4])
    expected = 1 / (1 + np.exp(2))
    shares = keras.ops.convert_to_numpy(_masked.shares(keras.ops.convert_to_tensor(scores), mask))
    np.testing.assert_allclose(shares, [[expected, 0, 0, 1 - expected], [0] * 4, [1, 0, 0, 0]], atol=1e-6)


def test_attention_pooling_lies_between_the_frames_that_are_there():
    out = run(build("attention_pooling"), counting(), MISSING)
    assert (out[0] > [0, 1, 2]).all()
    assert (out[0] < [9, 10, 11]).all()
    np.testing.assert_array_equal(out[1], 0)


@pytest.mark.parametrize("name", HEADS)
def test_only_heads_that_see_a_set_ignore_the_order(name):
    head = build(name)
    features = np.random.default_rng(0).normal(size=(2, 4, 3))
    mask = [[True, True, True, False], [True, True, True, True]]
    order = [2, 0, 1, 3]
    one, other = run(head, features, mask), run(head, features[:, order], mask)
    assert np.allclose(one, other, atol=1e-6) == (name in WITHOUT_ORDER)


@pytest.mark.parametrize("name", HEADS)
def test_what_is_missing_has_no_influence_on_output_or_slope(name):
    """A blank crop may give anything."""
    tensorflow = pytest.importorskip("tensorflow")
    head = build(name)
    features = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    other = features.copy()
    other[~MISSING] = 1e30
    np.testing.assert_array_equal(run(head, features, MISSING), run(head, other, MISSING))
    variable = tensorflow.Variable(other)
    with tensorflow.GradientTape() as tape:
        total = tensorflow.reduce_sum(head([variable, tensorflow.constant(MISSING)], training=False))
    slope = tape.gradient(total, variable).numpy()
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(slope[~MISSING], 0)
    assert np.abs(slope[MISSING]).max() > 0


@pytest.mark.parametrize("name", ["lstm", "gru", "bidirectional_lstm"])
def test_recurrent_heads_skip_missing_frames(name):
    features = np.random.default_rng(0).normal(size=(1, 4, 3))
    long, short = build(name, 4), build(name, 2)
    np.testing.assert_allclose(
        run(long, features, MISSING[:1]), run(short, features[:, [0, 3]], [[True, True]]), atol=1e-6
    )


def test_a_convolution_takes_a_missing_frame_as_nothing():
    features = np.random.default_rng(0).normal(size=(1, 4, 3))
    long, short = build("temporal_convolution", 4), build("temporal_convolution", 3)
    np.testing.assert_allclose(
        run(long, features, [[True, True, True, False]]), run(short, features[:, :3], [[True] * 3]), atol=1e-6
    )


def test_the_transformer_knows_the_place_of_a_frame():
    head = build("transformer")
    same = np.ones([1, 4, 3])
    assert (
        np.abs(run(head, same, [[True, False, False, False]]) - run(head, same, [[False, True, False, False]])).max()
        > 1e-6
    )


def test_transformer_heads_must_share_the_units():
    with pytest.raises(ConfigError, match=r"multiple of num_heads\. Received: units=6, num_heads=4"):
        plugins.load("heads", "transformer").build(4, 3, units=6)


def test_the_lstm_takes_missing_frames_as_if_the_others_followed_each_other():
    long, short = build("lstm", 4), build("lstm", 2)
    short.set_weights(long.get_weights())
    features = np.random.default_rng(0).normal(size=(2, 4, 3))
    mask = np.array([[True, False, True, False]] * 2)
    given, expected = run(long, features, mask), run(short, features[:, [0, 2]], mask[:, [0, 2]])
    np.testing.assert_allclose(given, expected, atol=1e-6)
