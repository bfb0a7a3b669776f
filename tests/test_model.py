"""Every backbone and every head by being there, and what their composition promises."""

import dataclasses
import inspect
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import ModelSettings
from deepfake_tf.model import build_model
from deepfake_tf.schema import ClipSpec, ServableSpec

BACKBONES = plugins.names("backbones")
HEADS = plugins.names("heads")
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


def logits(model: keras.Model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return model(inputs, training=False).numpy()


def one_of_each_source() -> list[str]:
    """Backbones without those that are another size of one before: the same code of the same paper."""
    loaded = {name: plugins.load("backbones", name) for name in reversed(BACKBONES)}
    return list({(one.SOURCE, *sorted(one.TINY)): name for name, one in loaded.items()}.values())


def pairs(backbones: list[str] = BACKBONES) -> list:
    """Every backbone with mean, every head with small_cnn; building the larger networks takes seconds each."""
    small = [pytest.param(("small_cnn", head), id=f"small_cnn-{head}") for head in HEADS]
    large = [name for name in backbones if name != "small_cnn"]
    return small + [pytest.param((name, "mean"), id=f"{name}-mean", marks=pytest.mark.slow) for name in large]


# What takes seconds for each; tests/benchmarks/full_sizes.py does it for every size.
each_source = pytest.mark.parametrize("pair", pairs(one_of_each_source()), indirect=True)


@pytest.fixture(params=pairs(), scope="module")
def pair(request):
    settings = tiny(*request.param)
    try:
        return settings, build(settings)
    except ConfigError as error:
        if isinstance(error.__cause__, ImportError):
            pytest.skip(str(error))
        raise


# What every model does


def test_a_model_gives_one_float32_logit_a_clip(pair):
    _, model = pair
    out = model(batch(3))
    assert out.shape == (3,)
    assert out.dtype == "float32"
    assert np.isfinite(out).all()


def test_graph_equals_eager_and_a_clip_does_not_see_its_batch(pair):
    settings, model = pair
    signature = {
        "clips": tf.TensorSpec([None, FRAMES, SIZE, SIZE, 3], tf.uint8),
        "mask": tf.TensorSpec([None, FRAMES], tf.bool),
    }
    graph = tf.function(lambda inputs: model(inputs, training=False), input_signature=[signature])
    five = batch(5)
    expected = logits(model, five)
    np.testing.assert_allclose(graph(five), expected, atol=1e-5)
    for row in (0, 4):
        one = {name: values[row : row + 1] for name, values in five.items()}
        np.testing.assert_allclose(graph(one), expected[row : row + 1], atol=1e-5)
        np.testing.assert_allclose(logits(model, one), expected[row : row + 1], atol=1e-5)


def test_whole_numbers_and_floats_of_the_same_pixels_give_the_same(pair):
    _, model = pair
    inputs = batch(2)
    as_float = {**inputs, "clips": inputs["clips"].astype(np.float32)}
    np.testing.assert_array_equal(logits(model, inputs), logits(model, as_float))


def test_fractions_of_grey_levels_are_not_cut_off(pair):
    _, model = pair
    clips = batch(2)["clips"].astype(np.float32)
    half = {"clips": np.clip(clips, 0, 254) + 0.5, "mask": batch(2)["mask"]}
    whole = {"clips": np.clip(clips, 0, 254), "mask": batch(2)["mask"]}
    assert (logits(model, half) != logits(model, whole)).all()


def test_a_missing_frame_has_no_influence(pair):
    _, model = pair
    inputs = batch(3)
    inputs["mask"][:, 1] = False
    other = {**inputs, "clips": inputs["clips"].copy()}
    other["clips"][:, 1] = 255 - other["clips"][:, 1]
    np.testing.assert_array_equal(logits(model, inputs), logits(model, other))
    # It is the mask that does it: unmasked, the frame matters.
    inputs["mask"][:] = other["mask"][:] = True
    assert (logits(model, inputs) != logits(model, other)).all()


def test_a_clip_without_any_frame_still_gives_a_number(pair):
    _, model = pair
    inputs = batch(2)
    inputs["mask"][:] = False
    out = logits(model, inputs)
    assert np.isfinite(out).all()
    assert out[0] == out[1]


@each_source
def test_settings_and_weights_rebuild_the_model(pair, tmp_path):
    settings, model = pair
    model.save(tmp_path / "model.keras")
    again = build_model(ModelSettings.from_json(json.loads(json.dumps(settings.to_json()))))
    assert np.abs(logits(again, batch(3)) - logits(model, batch(3))).max() > 1e-6
    again.load_weights(tmp_path / "model.keras")
    np.testing.assert_allclose(logits(again, batch(3)), logits(model, batch(3)), atol=1e-6)


@each_source
def test_a_few_steps_lower_the_loss(pair):
    _, model = pair
    before = model.get_weights()
    losses = train_a_little(model)
    model.set_weights(before)
    assert min(losses[1:]) < losses[0]


def train_a_little(model: keras.Model) -> list[float]:
    inputs, labels = batch(4), np.array([0.0, 1.0, 0.0, 1.0], np.float32)
    # Small enough for the widest network, whose features add up in the logit.
    optimizer = keras.optimizers.Adam(1e-4)
    losses = []
    for _ in range(4):
        with tf.GradientTape() as tape:
            logit = model(inputs, training=True)
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logit))
        gradients = tape.gradient(loss, model.trainable_variables)
        assert all(gradient is not None for gradient in gradients)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        losses.append(float(loss))
    return losses


@pytest.mark.slow
@each_source
def test_an_export_gives_the_models_logits(pair, tmp_path):
    """Its own check runs it in a version 1 session, at B = 1, 2 and T + 1, without XLA and without cuDNN.

    What differs by more than 1e-5 is not published: tests/test_export.py.
    """
    from deepfake_tf import export

    settings, model = pair
    clip_spec = ClipSpec(num_frames=settings.num_frames, crop_size_px=settings.image_size)
    folder = export.export_model(model, ServableSpec(clip_spec), tmp_path / "detector")
    assert (folder / "saved_model.pb").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("num_frames", [1, 6])
def test_clips_of_other_lengths_are_other_exports(num_frames, tmp_path):
    """With the head whose weights depend on the number of frames."""
    from deepfake_tf import export

    model = build(tiny(head="transformer", num_frames=num_frames))
    spec = ServableSpec(ClipSpec(num_frames=num_frames, crop_size_px=SIZE))
    folder = export.export_model(model, spec, tmp_path / "detector")
    assert (folder / "saved_model.pb").is_file()


@pytest.mark.parametrize("head", ["lstm", "gru", "bidirectional_lstm"])
def test_what_was_trained_on_cudnn_is_served_without(head, tmp_path):
    from deepfake_tf import export

    settings = tiny(head=head)
    settings = dataclasses.replace(settings, head_settings={**settings.head_settings, "use_cudnn": True})
    spec = ServableSpec(ClipSpec(num_frames=FRAMES, crop_size_px=SIZE))
    trained = build(settings)
    folder = export.export_model(trained, spec, tmp_path / "detector")
    # Where there is no cuDNN nothing else would tell.
    assert not any(getattr(layer, "use_cudnn", False) for layer in trained._flatten_layers())
    plain = build(dataclasses.replace(settings, head_settings=plugins.load("heads", head).TINY))
    assert export.check(folder, plain, spec) <= 1e-5


# Order of time


def permuted(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values[:, [2, 0, 3, 1]] for name, values in inputs.items()}


def test_the_order_of_frames_changes_the_lstm():
    model = build(tiny(head="lstm"))
    assert np.abs(logits(model, batch(4)) - logits(model, permuted(batch(4)))).min() > 1e-6


def test_the_order_of_frames_does_not_change_the_mean():
    model = build(tiny(head="mean"))
    np.testing.assert_allclose(logits(model, batch(4)), logits(model, permuted(batch(4))), atol=1e-6)


def test_the_mean_is_that_of_the_frames_that_are_there():
    features = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    features[0, 2] = np.inf
    mask = np.array([[True, False, False, True]])
    head = plugins.load("heads", "mean").build(4, 3)
    np.testing.assert_allclose(head([features, mask]), [(features[0, 0] + features[0, 3]) / 2])


def test_the_lstm_takes_missing_frames_as_if_the_others_followed_each_other():
    keras.utils.set_random_seed(0)
    lstm = plugins.load("heads", "lstm")
    long, short = lstm.build(4, 3, units=5), lstm.build(2, 3, units=5)
    short.set_weights(long.get_weights())
    features = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    mask = np.array([[True, False, True, False]] * 2)
    np.testing.assert_allclose(long([features, mask]), short([features[:, [0, 2]], mask[:, [0, 2]]]), atol=1e-6)


# What a plugin offers


@pytest.mark.parametrize(
    ("kind", "name"), [*(("backbones", name) for name in BACKBONES), *(("heads", name) for name in HEADS)]
)
def test_a_plugin_offers_a_search_space_of_its_own_settings(kind, name):
    import keras_tuner

    plugin = plugins.load(kind, name)
    drawn = plugin.sample(keras_tuner.HyperParameters())
    parameters = inspect.signature(plugin.build).parameters.values()
    if all(one.kind != inspect.Parameter.VAR_KEYWORD for one in parameters):
        assert set(drawn) | set(plugin.TINY) <= {one.name for one in parameters}
    assert json.loads(json.dumps(drawn)) == drawn
    assert plugin.SOURCE
    if kind == "backbones":
        assert plugin.IMAGE_SIZE >= 64
        assert re.compile(plugin.BLOCK).groups
    assert plugin.__doc__


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("num_frames", [1, 3])
def test_a_head_takes_any_number_of_frames(head, num_frames):
    plugin = plugins.load("heads", head)
    built = plugin.build(num_frames, 6, **plugin.TINY)
    out = built([np.ones((2, num_frames, 6), np.float32), np.ones((2, num_frames), bool)])
    assert out.shape == (2, *built.output_shape[1:])
    assert len(out.shape) == 2


def test_wrong_settings_of_a_plugin_are_refused_in_words():
    with pytest.raises(ConfigError, match="small_cnn in backbones does not take"):
        build_model(ModelSettings(backbone_settings={"depht": 3}))
    with pytest.raises(ConfigError, match="halved|2\\^blocks"):
        build_model(ModelSettings(image_size=4))
