"""The learning rate of each update by arithmetic, and what each part of a network is stepped by."""

import math

import keras
import numpy as np
import pytest

from deepfake_tf.learning.optimizers import build_parts, build_rate
from deepfake_tf.learning.settings import TrainSettings


def rates(num, *, first_update=0, factor=1.0, **settings):
    rate = build_rate(TrainSettings(**settings), 5, first_update=first_update, factor=factor)
    return [float(rate(step)) for step in range(num)]


def test_a_constant_rate_is_constant():
    assert rates(7, learning_rate=0.25) == [0.25] * 7


def test_a_rate_rises_evenly_and_then_stays():
    # Two updates of the first 0.4 epochs of 5: 1/3, 2/3, then all of it.
    found = rates(6, learning_rate=0.3, warmup_epochs=0.4, epochs=4)
    np.testing.assert_allclose(found, [0.1, 0.2, 0.3, 0.3, 0.3, 0.3], rtol=1e-5)


def test_a_cosine_ends_at_0_with_the_last_epoch():
    found = rates(21, learning_rate=0.2, schedule="cosine", epochs=4)
    np.testing.assert_allclose(found, [0.1 * (1 + math.cos(math.pi * n / 20)) for n in range(21)], atol=1e-7)


def test_a_cosine_after_a_rise_has_the_updates_that_are_left():
    found = rates(21, learning_rate=0.2, schedule="cosine", epochs=4, warmup_epochs=1)
    assert max(found) == pytest.approx(0.2)
    assert np.argmax(found) == 5
    np.testing.assert_allclose(found[5:], [0.1 * (1 + math.cos(math.pi * n / 15)) for n in range(16)], atol=1e-7)


def test_a_part_that_begins_later_follows_the_same_schedule_from_there():
    settings = {"learning_rate": 0.2, "schedule": "cosine", "epochs": 4}
    late = rates(10, first_update=10, factor=0.5, **settings)
    np.testing.assert_allclose(late, np.array(rates(20, **settings)[10:]) / 2, atol=1e-7)


@pytest.fixture(scope="module")
def model():
    pixels = keras.Input((2,), name="pixels")
    backbone = keras.Model(pixels, keras.layers.Dense(3, name="inner")(pixels), name="backbone")
    inputs = keras.Input((2,), name="clips")
    return keras.Model(inputs, keras.layers.Dense(1, name="outer")(backbone(inputs)))


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_one_optimizer_steps_all_unless_the_backbone_has_its_own(model, name):
    (whole,) = build_parts(model, TrainSettings(optimizer=name), 5)
    assert type(whole.optimizer).__name__.lower() == name
    assert [one.path for one in whole.variables] == [one.path for one in model.trainable_variables]
    rest, own = build_parts(model, TrainSettings(optimizer=name, backbone_rate=0.1, freeze_epochs=2), 5)
    assert {one.path.split("/")[0] for one in rest.variables} == {"outer"}
    assert {one.path.split("/")[-2] for one in own.variables} == {"inner"}
    assert (rest.first_epoch, own.first_epoch) == (0, 2)
    assert float(own.optimizer.learning_rate) == pytest.approx(0.1 * float(rest.optimizer.learning_rate))


def test_weights_decay_and_biases_do_not(model):
    (part,) = build_parts(model, TrainSettings(optimizer="adamw", learning_rate=0.5, weight_decay=0.1), 5)
    before = [np.asarray(one) + 1 for one in part.variables]
    for one, value in zip(part.variables, before, strict=True):
        one.assign(value)
    part.optimizer.apply([np.zeros(one.shape, np.float32) for one in part.variables], part.variables)
    for one, value in zip(part.variables, before, strict=True):
        # Loshchilov and Hutter: w - rate * decay * w, whatever the gradient.
        np.testing.assert_allclose(np.asarray(one), value * (0.95 if value.ndim == 2 else 1.0), rtol=1e-5)
