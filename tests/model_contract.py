"""What every composition of a backbone and a head promises: the tests of a plugin by being there.

A class per folder of plugins inherits them: tests/backbones/test_contract.py, tests/heads/test_contract.py.
"""

import json
from functools import cached_property

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import ModelSettings
from deepfake_tf.model import build_model
from deepfake_tf.schema import ClipSpec, ServableSpec

# The least that every network takes.
SIZE = 96
FRAMES = 4


def tiny(backbone: str = "small_cnn", head: str = "lstm", num_frames: int = FRAMES) -> ModelSettings:
    return ModelSettings(
        backbone=backbone,
        head=head,
        num_frames=num_frames,
        image_size=SIZE,
        backbone_settings=plugins.load("backbones", backbone).TINY,
        head_settings=plugins.load("heads", head).TINY,
        dropout=0.0,
    )


def build(settings: ModelSettings) -> keras.Model:
    """The same weights for the same settings."""
    keras.utils.set_random_seed(0)
    return build_model(settings)


def batch(num_clips: int, num_frames: int = FRAMES) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(num_clips)
    return {
        "clips": rng.integers(0, 256, (num_clips, num_frames, SIZE, SIZE, 3), dtype=np.uint8),
        "mask": np.ones((num_clips, num_frames), bool),
    }


def spec_of(settings: ModelSettings) -> ServableSpec:
    return ServableSpec(ClipSpec(num_frames=settings.num_frames, crop_size_px=settings.image_size))


class Network:
    """A tiny network, as itself and as a graph: a graph is traced once, and calls of it cost little."""

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self.model = build(settings)

    @cached_property
    def _graph(self) -> tf.types.experimental.PolymorphicFunction:
        frames = (None, self.settings.num_frames)
        signature = {
            "clips": tf.TensorSpec([*frames, SIZE, SIZE, 3], tf.uint8),
            "mask": tf.TensorSpec(frames, tf.bool),
        }
        return tf.function(lambda inputs: self.model(inputs, training=False), input_signature=[signature])

    def graph(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return self._graph(inputs).numpy()

    def eager(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return self.model(inputs, training=False).numpy()


@pytest.fixture(scope="module")
def network(request) -> Network:
    """A network of the (backbone, head) that it is given."""
    try:
        return Network(tiny(*request.param))
    except ConfigError as error:
        if isinstance(error.__cause__, ImportError):
            pytest.skip(str(error))
        raise


class ModelContract:
    """Of every network."""

    def test_gives_one_float32_logit_a_clip_and_a_clip_does_not_see_its_batch(self, network):
        five = batch(5)
        expected = network.eager(five)
        assert expected.shape == (5,)
        assert expected.dtype == "float32"
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(network.graph(five), expected, atol=1e-5)
        for row in (0, 4):
            one = {name: values[row : row + 1] for name, values in five.items()}
            np.testing.assert_allclose(network.graph(one), expected[row : row + 1], atol=1e-5)

    def test_pixels_may_be_floats_and_their_fractions_are_not_cut_off(self, network):
        inputs = batch(2)
        whole = {**inputs, "clips": np.clip(inputs["clips"], 0, 254).astype(np.float32)}
        given = network.eager(whole)
        as_integers = network.graph({**whole, "clips": whole["clips"].astype(np.uint8)})
        np.testing.assert_allclose(given, as_integers, atol=1e-5)
        assert (network.eager({**whole, "clips": whole["clips"] + 0.5}) != given).all()

    def test_a_missing_frame_has_no_influence(self, network):
        inputs = batch(3)
        inputs["mask"][:, 1] = False
        other = {**inputs, "clips": inputs["clips"].copy()}
        other["clips"][:, 1] = 255 - other["clips"][:, 1]
        np.testing.assert_array_equal(network.graph(inputs), network.graph(other))
        # It is the mask that does it: unmasked, the frame matters.
        inputs["mask"][:] = other["mask"][:] = True
        assert (network.graph(inputs) != network.graph(other)).all()

    def test_a_clip_without_any_frame_still_gives_a_number(self, network):
        inputs = batch(2)
        inputs["mask"][:] = False
        out = network.graph(inputs)
        assert np.isfinite(out).all()
        assert out[0] == out[1]


class SourceContract:
    """What takes seconds for each; tests/benchmarks/full_sizes.py does it for every size."""

    def test_a_few_steps_lower_the_loss(self, network):
        before = network.model.get_weights()
        losses = train_a_little(network.model)
        network.model.set_weights(before)
        assert losses[-1] < losses[0]

    @pytest.mark.slow
    def test_an_export_gives_the_models_logits(self, network, tmp_path):
        """Its own check runs it in a version 1 session, at B = 1, 2 and T + 1, without XLA and without cuDNN.

        What differs by more than 1e-5 is not published: tests/test_export.py.
        """
        from deepfake_tf import export

        folder = export.export_model(network.model, spec_of(network.settings), tmp_path / "detector")
        assert (folder / "saved_model.pb").is_file()


class RebuildContract:
    """What takes seconds for each, and is the same code for all backbones of one library."""

    def test_settings_and_weights_rebuild_the_model(self, network, tmp_path):
        network.model.save(tmp_path / "model.keras")
        again = build_model(ModelSettings.from_json(json.loads(json.dumps(network.settings.to_json()))))
        before = [value.copy() for value in again.get_weights()]
        again.load_weights(tmp_path / "model.keras")
        assert any((old != new).any() for old, new in zip(before, again.get_weights(), strict=True))
        inputs = batch(3)
        given = again(inputs, training=False)
        np.testing.assert_allclose(given, network.graph(inputs), atol=1e-5)


def train_a_little(model: keras.Model) -> list[float]:
    """The losses of four steps at most: until one is lower than the first."""
    inputs, labels = batch(4), np.array([0.0, 1.0, 0.0, 1.0], np.float32)
    # Small enough for the widest network, whose features add up in the logit.
    optimizer = keras.optimizers.Adam(1e-4)
    losses = []
    for _ in range(4):
        with tf.GradientTape() as tape:
            logit = model(inputs, training=True)
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logit))
        losses.append(float(loss))
        if losses[-1] < losses[0]:
            break
        gradients = tape.gradient(loss, model.trainable_variables)
        assert all(gradient is not None for gradient in gradients)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return losses
