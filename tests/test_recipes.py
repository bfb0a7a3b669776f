"""What every recipe keeps; a new file in recipes/ is tested by being there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepfake_tf import augment, plugins, recipes
from deepfake_tf.augment import gauss_noise, one_of

NAMES = plugins.names("recipes")


@pytest.fixture(params=NAMES)
def ops(request):
    return recipes.load_ops(request.param)


@settings(max_examples=12, deadline=None)
@given(clip=arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(24), st.just(24), st.just(3))), seed=st.integers(0))
@pytest.mark.parametrize("name", NAMES)
def test_any_clip_keeps_shape_and_type_and_one_seed_gives_one_clip(name, clip, seed):
    ops = recipes.load_ops(name)
    changed = augment.apply(ops, clip, seed)
    assert changed.shape == clip.shape
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(augment.apply(ops, clip, seed), changed)


def test_survives_json_and_can_be_printed(ops):
    assert augment.from_json(augment.to_json(ops)) == ops
    text = recipes.to_text(ops)
    assert all(value["op"] in text for value in augment.to_json(ops))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_what_it_is_for(name):
    assert plugins.load("recipes", name).__doc__


def test_ops_that_need_key_points_stand_first(ops):
    needs = [augment.needs_keypoints(op) for op in ops]
    assert needs == sorted(needs, reverse=True)


def test_equal_frames_stay_equal_without_the_ops_that_differ_by_frame(ops):
    still = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3), dtype=np.uint8), 3, axis=0)
    quiet = [op for op in ops if not op.per_frame]
    for seed in range(10):
        changed = augment.apply(quiet, still, seed)
        np.testing.assert_array_equal(changed, np.repeat(changed[:1], 3, axis=0))


def test_the_article_s_list_is_exactly_the_article_s():
    found = [
        ([one["op"] for one in value["ops"]] if value["op"] == "one_of" else value["op"], value["probability"])
        for value in augment.to_json(recipes.load_ops("article"))
    ]
    assert found == [
        ("rotate90", 0.2),
        ("transpose", 0.2),
        ("flip", 0.5),
        ("flip_vertical", 0.5),
        (["gauss_noise"], 0.2),
        ("shift_scale_rotate", 0.2),
        (["clahe", "sharpen", "emboss", "brightness_contrast"], 0.2),
        ("hue_saturation_value", 0.2),
    ]


def test_text_shows_nested_ops():
    text = recipes.to_text((one_of.Op(ops=(gauss_noise.Op(probability=1.0),), probability=0.2),))
    assert text.splitlines()[0].split() == ["one_of", "20%"]
    assert text.splitlines()[1].split() == ["gauss_noise", "100%", "variance", "10.0", "to", "50.0"]
