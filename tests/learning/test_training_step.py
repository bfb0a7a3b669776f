"""One step by arithmetic, and held against steps that must come to the same."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_tf.learning.devices import Devices
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.learning.training_step import TrainingStep, _fill_up

ONE = Devices(tf.distribute.get_strategy(), names=("CPU",))
SGD = TrainSettings(optimizer="sgd", momentum=0.0, learning_rate=0.5)


def make_model(value: float | None = None) -> keras.Model:
    """{"clips": [B, 4]} -> logit [B]; a backbone with batch normalisation and dropout, or always the same logit."""
    keras.utils.set_random_seed(3)
    pixels = keras.Input((4,), name="pixels")
    x = keras.layers.Dense(6, activation="tanh", name="inner")(pixels)
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization(name="norm")(x))
    backbone = keras.Model(pixels, x, name="backbone")
    clips = keras.Input((4,), name="clips")
    options = (
        {} if value is None else {"kernel_initializer": "zeros", "bias_initializer": keras.initializers.Constant(value)}
    )
    logit = keras.layers.Dense(1, name="outer", **options)(backbone(clips))
    return keras.Model({"clips": clips}, keras.ops.squeeze(logit, -1))


def make_step(settings, model=None):
    model = model or make_model()
    return TrainingStep(model, model, settings, updates=10, devices=ONE), model


def make_batch(size, seed=0):
    rng = np.random.default_rng(seed)
    clips = rng.normal(size=(size, 4)).astype(np.float32)
    return {"clips": tf.constant(clips)}, tf.constant((clips[:, 0] > 0).astype(np.float32)), tf.ones(size)


def values(model):
    return {one.path: keras.ops.convert_to_numpy(one) for one in model.variables if "seed" not in one.path}


def changes(model, before):
    return {path: value - before[path] for path, value in values(model).items()}


def test_weights_of_clips_reach_the_loss():
    step, _ = make_step(SGD, make_model(1.0))
    inputs, _, _ = make_batch(2)
    found = step.gather((inputs, tf.constant([0.0, 1.0]), tf.constant([3.0, 1.0])), 0)
    # By hand: the mean over clips of weight times log loss, at the logit 1.
    assert found.loss == pytest.approx((3 * math.log1p(math.exp(1)) + 1 * math.log1p(math.exp(-1))) / 2, rel=1e-5)
    np.testing.assert_allclose(found.logits, [1.0, 1.0])
    assert found.is_finite


def test_a_step_of_sgd_is_the_rate_times_the_gradient():
    step, model = make_step(SGD, make_model(1.0))
    before = values(model)
    step.gather(make_batch(2), 0)
    step.update(0)
    labels = np.asarray(make_batch(2)[1])
    gradient = np.mean(1 / (1 + math.exp(-1)) - labels)
    assert changes(model, before)["outer/bias"] == pytest.approx([-0.5 * gradient], rel=1e-5)


# A still backbone neither drops nor takes statistics of its batch, so that batches can be taken apart.
STILL = dataclasses.replace(SGD, freeze_epochs=1)


def test_gathered_batches_are_one_large_batch():
    whole, one = make_step(STILL)
    parts, other = make_step(STILL)
    inputs, labels, weights = make_batch(8)
    whole.gather((inputs, labels, weights), 0)
    whole.update(0)
    for rows in (slice(0, 4), slice(4, 8)):
        parts.gather(({"clips": inputs["clips"][rows]}, labels[rows], weights[rows]), 0)
    parts.update(0)
    for path, value in values(one).items():
        np.testing.assert_allclose(value, values(other)[path], atol=1e-6)


def test_long_gradients_are_shortened_and_short_ones_are_not():
    for limit, is_shortened in ((0.01, True), (100.0, False)):
        step, model = make_step(dataclasses.replace(STILL, clip_norm=limit, learning_rate=1.0))
        before = values(model)
        step.gather(make_batch(4), 0)
        norm = step.update(0)
        length = math.sqrt(sum(float(np.sum(change**2)) for change in changes(model, before).values()))
        assert length == pytest.approx(limit if is_shortened else norm, rel=1e-3)


def test_a_frozen_backbone_keeps_its_weights_and_its_statistics_until_it_learns():
    step, model = make_step(STILL)
    before = values(model)
    step.gather(make_batch(4), 0)
    step.update(0)
    moved = {path for path, change in changes(model, before).items() if np.any(change)}
    assert moved == {"outer/kernel", "outer/bias"}
    step.gather(make_batch(4), 1)
    step.update(1)
    moved = {path for path, change in changes(model, before).items() if np.any(change)}
    assert moved == set(before)


def test_a_backbone_may_learn_with_a_part_of_the_rate():
    both = []
    for share in (1.0, 0.25):
        keras.utils.set_random_seed(0)
        step, model = make_step(dataclasses.replace(SGD, backbone_rate=share))
        before = values(model)
        step.gather(make_batch(4), 0)
        step.update(0)
        both.append(changes(model, before))
    for path in ("inner/kernel", "inner/bias", "norm/beta"):
        np.testing.assert_allclose(both[1][path], both[0][path] * 0.25, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(both[1]["outer/kernel"], both[0]["outer/kernel"], rtol=1e-5)


def test_gradients_that_are_not_finite_are_seen_before_they_are_used_and_can_be_dropped():
    step, model = make_step(SGD)
    before = values(model)
    inputs, labels, weights = make_batch(4)
    found = step.gather((inputs, labels, weights * np.float32(np.inf)), 0)
    assert not found.is_finite
    step.forget()
    assert not step.has_gathered
    step.gather(make_batch(4), 0)
    step.update(0)
    assert all(np.all(np.isfinite(value)) for value in values(model).values())
    assert np.any(values(model)["outer/kernel"] != before["outer/kernel"])


def test_the_factor_of_the_loss_changes_no_step():
    one, first = make_step(STILL)
    other, second = make_step(dataclasses.replace(STILL, precision="mixed_float16"))
    for step in (one, other):
        step.gather(make_batch(4), 0)
        step.update(0)
    for path, value in values(first).items():
        np.testing.assert_allclose(value, values(second)[path], atol=1e-6)


def test_fewer_clips_than_devices_are_filled_up_with_clips_that_weigh_nothing():
    inputs, labels, weights = _fill_up(make_batch(1), 3)
    assert inputs["clips"].shape == (3, 4)
    assert labels.shape == (3,)
    np.testing.assert_array_equal(weights, [1.0, 0.0, 0.0])
