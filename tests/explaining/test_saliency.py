"""Heat maps of a network that has learned to see a bright square, which so are known to belong on the square."""

import keras
import numpy as np
import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.explaining import saliency
from deepfake_tf.learning.settings import ModelSettings
from deepfake_tf.model import build_model
from pipelines import explain

SIZE = 32
SQUARE = slice(16, 26)


def clips_of(labels, *, seed=0):
    """uint8 [B, 2, 32, 32, 3]: noise, and for a fake a bright square to the lower right of the middle."""
    rng = np.random.default_rng(seed)
    clips = rng.integers(90, 130, (len(labels), 2, SIZE, SIZE, 3), np.uint8)
    for clip, label in zip(clips, labels, strict=True):
        clip[:, SQUARE, SQUARE] += np.uint8(100 * label)
    return clips, np.ones((len(labels), 2), bool)


def build(backbone, **settings):
    keras.utils.set_random_seed(7)
    chosen = {"backbone": backbone, "head": "mean", "num_frames": 2, "image_size": SIZE, "backbone_settings": settings}
    return build_model(ModelSettings(**chosen), initial_weights=False)


@pytest.fixture(scope="module")
def trained():
    model = build("small_cnn", channels=[8, 16], dropout=0.0)
    labels = np.arange(32) % 2
    clips, mask = clips_of(labels)
    trainer = keras.Model(model.input, keras.ops.expand_dims(model.output, -1))
    trainer.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    trainer.optimizer.learning_rate = 0.02
    trainer.fit({"clips": clips, "mask": mask}, labels, epochs=12, batch_size=16, verbose=0)
    return model


def share_on_square(heat):
    """How much of the heat lies on the square and the cells around it, of a map [h, w]."""
    cells = len(heat) / SIZE
    own = slice(int(SQUARE.start * cells) - 1, int(np.ceil(SQUARE.stop * cells)) + 1)
    return heat[own, own].sum() / heat.sum()


@pytest.mark.parametrize("method", ["grad_cam", "occlusion"])
def test_the_heat_lies_on_what_was_learned(trained, method):
    clips, mask = clips_of([1, 1], seed=5)
    mask[1, 1] = False
    found = saliency.explain(trained, clips, mask, method=method)
    assert found.maps.shape[:2] == (2, 2)
    assert found.maps.dtype == np.float32
    assert found.maps.min() >= 0
    assert not found.maps[1, 1].any()
    # The square has a tenth of the picture, with the cells around it a quarter to a third.
    assert min(share_on_square(found.maps[0, 0]), share_on_square(found.maps[1, 0])) > 0.6


def test_with_random_weights_the_maps_change(trained):
    clips, mask = clips_of([1] * 3, seed=5)
    own = saliency.explain(trained, clips, mask).maps[:, 0]
    found = []
    for seed in range(4):
        changed = saliency.explain(saliency.randomised(trained, seed=seed), clips, mask).maps[:, 0]
        found += [saliency.agreement(*pair) for pair in zip(own, changed, strict=True)]
    # Not none at all: a bright square is an edge to any weights.
    assert np.nanmean(found) < 0.6
    # The same weights give the same maps: it is the weights that change them.
    again = saliency.explain(trained, clips, mask).maps[:, 0]
    assert [saliency.agreement(*pair) for pair in zip(own, again, strict=True)] == pytest.approx([1.0] * 3)


def test_drawing_weights_anew_leaves_the_model_as_it_was(trained):
    before = trained.get_weights()
    other = saliency.randomised(trained)
    assert all(np.array_equal(*pair) for pair in zip(before, trained.get_weights(), strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(before, other.get_weights(), strict=True))
    assert [one.sum() for one in other.get_weights()] == pytest.approx([one.sum() for one in before], abs=1e-3)


def test_grad_cam_is_the_slope_of_the_logit(trained):
    """With one channel's weight w the map is relu(w * features): here by central differences on the last map."""
    clips, mask = clips_of([1], seed=5)
    found = saliency.explain(trained, clips, mask)
    assert found.about == "Grad-CAM of the layer dropout_1, 8 x 8 cells"
    backbone = trained.layers[[isinstance(one, keras.Model) for one in trained.layers].index(True)]
    layer = backbone.get_layer("dropout_1")
    features = keras.Model(backbone.input, layer.output)(clips[0].astype(np.float32)).numpy()
    # After the last map comes the mean over the picture, over time, and a dense layer.
    kernel = trained.get_layer("logit").kernel.numpy()[:, 0]
    expected = np.maximum((features * kernel / (8 * 8 * 2)).sum(axis=-1), 0)
    assert np.allclose(found.maps[0], expected, rtol=1e-4, atol=1e-7)


def test_roll_out_by_hand():
    # Each token keeps half; of the other half the first takes all from the second.
    attention = np.array([[[0.0, 1.0], [0.0, 1.0]]], np.float32)
    assert saliency.roll_out([attention])[0] == pytest.approx(np.array([[0.5, 0.5], [0.0, 1.0]]))
    assert saliency.roll_out([attention, attention])[0] == pytest.approx(np.array([[0.25, 0.75], [0.0, 1.0]]))


def test_transformers_are_rolled_out_and_have_no_maps():
    pytest.importorskip("keras_hub")
    model = build("clip_vit_b16", num_blocks=2, input_size=64)
    clips, mask = clips_of([1, 0])
    logits = np.asarray(model({"clips": clips, "mask": mask}))
    assert saliency.method_for(model) == "rollout"
    found = saliency.explain(model, clips, mask)
    assert found.about == "attention roll-out over 2 blocks, 4 x 4 patches"
    assert found.maps.shape == (2, 2, 4, 4)
    # What the class token takes from all patches and from itself is 1.
    assert np.all((found.maps.sum(axis=(2, 3)) > 0) & (found.maps.sum(axis=(2, 3)) < 1))
    # Listening to the layers has left them as they were.
    assert np.array_equal(np.asarray(model({"clips": clips, "mask": mask})), logits)
    with pytest.raises(ConfigError, match="Use rollout"):
        saliency.explain(model, clips, mask, method="grad_cam")


def test_what_does_not_suit_is_refused(trained):
    clips, mask = clips_of([1])
    with pytest.raises(ConfigError, match="Use grad_cam"):
        saliency.explain(trained, clips, mask, method="rollout")
    with pytest.raises(ConfigError, match="Unknown method 'x'"):
        saliency.explain(trained, clips, mask, method="x")


def test_agreement_is_of_ranks():
    slope = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert saliency.agreement(slope, slope**3) == pytest.approx(1)
    assert saliency.agreement(slope, -slope) == pytest.approx(-1)
    assert saliency.agreement(np.kron(slope, np.ones((2, 2), np.float32)), slope) == pytest.approx(1)
    assert np.isnan(saliency.agreement(slope, np.ones((4, 4), np.float32)))


def test_the_command_offers_all_methods():
    assert explain.METHODS == saliency.METHODS
