"""Every op and every recipe, by being there."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_tf import augment, plugins
from deepfake_tf.augment import flip

OPS = plugins.names("augment")
RECIPES = plugins.names("recipes")
SEEDS = range(12)


def noisy_clip(num_frames: int = 4) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (num_frames, 32, 32, 3), dtype=np.uint8)


def still_clip() -> np.ndarray:
    return np.repeat(noisy_clip(1), 4, axis=0)


# What an op cannot do without.
ARGUMENTS = {"one_of": {"ops": (flip.Op(probability=1.0),)}}


def op_of(name: str, probability: float = 1.0) -> augment.ClipOp:
    return plugins.load("augment", name).Op(probability=probability, **ARGUMENTS.get(name, {}))


@pytest.mark.parametrize("name", OPS)
def test_equal_frames_stay_equal_unless_the_op_says_otherwise(name):
    op = op_of(name)
    if not op.per_frame:
        outs = [op(still_clip(), seed) for seed in SEEDS]
        assert all((out == out[:1]).all() for out in outs)


@pytest.mark.parametrize("name", OPS)
def test_an_op_changes_something(name):
    assert any((op_of(name)(noisy_clip(), seed) != noisy_clip()).any() for seed in SEEDS)


@pytest.mark.parametrize("name", OPS)
def test_an_op_of_no_probability_changes_nothing(name):
    op = op_of(name, probability=0.0)
    assert all((op(noisy_clip(), seed) == noisy_clip()).all() for seed in SEEDS)


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("num_frames", [1, 4])
def test_shape_and_type_stay_and_the_input_is_not_changed(name, num_frames):
    clip = noisy_clip(num_frames)
    out = op_of(name)(clip, 3)
    assert out.shape == clip.shape
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(clip, noisy_clip(num_frames))


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**63 - 1))
def test_a_recipe_gives_the_same_for_the_same_seed(recipe, seed):
    ops = plugins.load("recipes", recipe).OPS
    first, second = (augment.apply(ops, noisy_clip(), seed) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == noisy_clip().shape
    assert first.dtype == np.uint8


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_says_what_it_is_for(recipe):
    assert plugins.load("recipes", recipe).__doc__


def test_basic_draws_anew_for_each_seed_and_none_never():
    basic, none = (plugins.load("recipes", name).OPS for name in ("basic", "none"))
    assert len({augment.apply(basic, noisy_clip(), seed).tobytes() for seed in SEEDS}) > 6
    assert all((augment.apply(none, noisy_clip(), seed) == noisy_clip()).all() for seed in SEEDS)


def test_ops_of_one_recipe_draw_independently():
    # Two flips with one draw would always give the clip back.
    pair = (flip.Op(), flip.Op())
    assert any((augment.apply(pair, noisy_clip(), seed) != noisy_clip()).any() for seed in SEEDS)


def test_flip_mirrors_left_and_right():
    clip = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    np.testing.assert_array_equal(flip.Op(probability=1.0)(clip, 0), clip[:, :, ::-1])


def test_importing_an_op_asks_the_network_for_nothing():
    code = """
import os, socket
def refuse(*_): raise SystemExit("asked the network")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
os.environ.pop("NO_ALBUMENTATIONS_UPDATE", None)
import numpy as np
from deepfake_tf.augment import turn
turn.Op(probability=1.0)(np.zeros((1, 8, 8, 3), np.uint8), 0)
print("quiet")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "quiet", done.stderr
