"""Backbones side by side, and which of their weights learn."""

import re

import keras
import numpy as np
import pytest

from deepfake_tf import plugins
from deepfake_tf.backbones import _compose
from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import ModelSettings
from deepfake_tf.model import build_model

SIZE = 64
COATNET = {"depths": [1, 1, 1, 2, 1], "channels": [4, 4, 8, 8, 12]}
PICTURE = np.random.default_rng(0).uniform(0, 255, [2, SIZE, SIZE, 3]).astype("float32")


def build(name: str = "coatnet0", **settings) -> keras.Model:
    keras.utils.set_random_seed(0)
    return _compose.build(name, SIZE, {**(COATNET if name == "coatnet0" else {}), **settings})


def learning(model: keras.Model) -> set[str]:
    return {variable.path for variable in model.trainable_variables}


def after_a_step(model: keras.Model) -> keras.Model:
    # Tracing a graph would take longer than the rest of the test.
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse", run_eagerly=True)
    model.fit(PICTURE, np.zeros([2, model.output_shape[-1]]), epochs=1, verbose=0)
    return model


def values(model: keras.Model) -> dict[str, np.ndarray]:
    variables = [variable for variable in model.variables if "seed" not in variable.path]
    return {variable.path: keras.ops.convert_to_numpy(variable).copy() for variable in variables}


def changed(before: dict[str, np.ndarray], model: keras.Model) -> set[str]:
    return {path for path, value in values(model).items() if not np.array_equal(before[path], value)}


# Side by side ---------------------------------------------------------------------------------------------------------


def test_features_of_several_lie_one_after_the_other():
    settings = {"small_cnn": {"channels": [4, 8], "dropout": 0.0}, "coatnet0": COATNET}
    model = build("small_cnn+coatnet0", **settings)
    assert model.output_shape == (None, 8 + 12)
    parts = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    expected = np.concatenate([part(PICTURE, training=False) for part in parts], axis=1)
    np.testing.assert_allclose(model(PICTURE, training=False), expected, atol=1e-6)


def test_settings_of_several_are_given_for_each():
    with pytest.raises(ConfigError, match=r"\{'small_cnn': \{...\}, 'coatnet0': \{...\}\}.* Received .* for channels"):
        build("small_cnn+coatnet0", channels=[4])


def test_a_model_of_several_is_rebuilt_from_its_settings(tmp_path):
    pair = {"small_cnn": {"channels": [4, 8], "trainable": "none"}, "coatnet0": {**COATNET, "trainable": "lora:2"}}
    settings = ModelSettings("small_cnn+coatnet0", "mean", 2, SIZE, backbone_settings=pair)
    clips = {"clips": np.stack([PICTURE, PICTURE]), "mask": np.ones([2, 2], bool)}
    model = build_model(settings)
    model.save(tmp_path / "model.keras")
    again = build_model(ModelSettings.from_json(settings.to_json()), initial_weights=False)
    again.load_weights(tmp_path / "model.keras")
    np.testing.assert_allclose(again(clips, training=False), model(clips, training=False), atol=1e-6)
    assert len(again.trainable_variables) == len(model.trainable_variables)


def test_a_backbone_is_not_joined_to_itself():
    with pytest.raises(ConfigError, match="joined to others, not to itself"):
        ModelSettings("small_cnn+small_cnn")
    with pytest.raises(ConfigError, match="Unknown name 'dense_cnn' in backbones"):
        ModelSettings("small_cnn+dense_cnn")


def test_weights_that_it_starts_from_are_not_asked_for_again():
    first = {"weights": "gone.weights.h5", "dropout": 0.1}
    settings = ModelSettings("meso_inception_4", "mean", 2, SIZE, backbone_settings=first)
    with pytest.raises(ConfigError, match="gone"):
        build_model(settings)
    build_model(settings, initial_weights=False)
    several = {"meso_inception_4": first, "small_cnn": {}}
    assert _compose.without_weights("meso_inception_4+small_cnn", several) == {
        "meso_inception_4": {"dropout": 0.1},
        "small_cnn": {},
    }


# What learns ----------------------------------------------------------------------------------------------------------


def test_all_learns_by_default():
    assert learning(build()) == learning(build(trainable="all"))
    assert not any("moving" in path for path in learning(build()))


def test_nothing_changes_in_a_frozen_backbone():
    model = build(trainable="none")
    assert not learning(model)
    before = values(model)
    # A step of something after it.
    outer = keras.Model(model.input, keras.layers.Dense(1)(model.output))
    after_a_step(outer)
    # The statistics of batch normalisation included.
    assert not changed(before, model)
    np.testing.assert_array_equal(model(PICTURE, training=True), model(PICTURE, training=False))


def test_only_normalisations_learn():
    paths = learning(build(trainable="norms"))
    assert paths
    assert all("norm/" in path for path in paths)
    assert {path.rpartition("/")[2] for path in paths} == {"gamma", "beta"}


@pytest.mark.parametrize(("num_blocks", "first"), [(1, {"s4_0"}), (3, {"s4_0", "s3_1", "s3_0"})])
def test_the_last_blocks_learn(num_blocks, first):
    model = build(trainable=f"last:{num_blocks}")
    assert {path.partition("/")[0][:4] for path in learning(model)} == first
    assert changed(values(model), after_a_step(model)) <= learning(model) | {
        path for path in values(model) if "moving" in path and path[:4] in first
    }


def test_what_follows_the_last_block_learns_too():
    paths = learning(build("efficientnet_b0", trainable="last:1"))
    assert {path.partition("_")[0] for path in paths} == {"block7a", "top"}


def test_lora_learns_additions_that_start_at_nothing():
    plain, model = build(), build(trainable="lora:2")
    np.testing.assert_allclose(model(PICTURE, training=False), plain(PICTURE, training=False), atol=1e-6)
    paths = learning(model)
    assert {path.rpartition("/")[2] for path in paths} == {"lora_kernel_a", "lora_kernel_b"}
    assert {path.partition("/")[0] for path in paths} == {"s3_0_attention", "s3_1_attention", "s4_0_attention"}
    before = values(model)
    assert changed(before, after_a_step(model)) <= paths


def test_lora_is_merged_when_it_is_saved(tmp_path):
    model = build(trainable="lora:2")
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    model.save_weights(tmp_path / "lora.weights.h5")
    again = build(trainable="lora:2")
    again.load_weights(tmp_path / "lora.weights.h5")
    expected = np.asarray(model(PICTURE, training=False))
    assert np.abs(expected - build()(PICTURE, training=False)).max() > 1e-3
    np.testing.assert_allclose(again(PICTURE, training=False), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["clip_vit_b16", "dinov2_vit_s14", "dino_vit_b16"])
def test_blocks_and_lora_of_transformers(name):
    pytest.importorskip("keras_hub", reason="keras-hub is not installed (the extra `hub`)")
    settings = {"num_blocks": 2, "input_size": 28 if "14" in name else 32}
    last = learning(build(name, **settings, trainable="last:1"))
    blocks = {found.group() for path in last if (found := re.search(plugins.load("backbones", name).BLOCK, path))}
    assert len(blocks) == 1
    assert blocks.pop().endswith("2" if name == "dino_vit_b16" else "1")
    assert len(learning(build(name, **settings, trainable="lora:4"))) == 2 * 2 * 2


@pytest.mark.parametrize(
    ("name", "trainable", "message"),
    [
        ("coatnet0", "some", r"'last:N' or 'lora:RANK', N and RANK from 1\. Received: trainable='some'"),
        ("coatnet0", "last:0", "Received: trainable='last:0'"),
        ("coatnet0", "last:7", "coatnet has 6 blocks. Received: trainable='last:7'"),
        ("small_cnn", "lora:4", "small_cnn has no attention to train"),
    ],
)
def test_what_cannot_learn_is_refused(name, trainable, message):
    with pytest.raises(ConfigError, match=message):
        build(name, trainable=trainable)
