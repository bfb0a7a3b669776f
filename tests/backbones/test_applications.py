"""Backbones from keras.applications against the library itself, on one known picture.

No ImageNet weights are needed: the library's own download is made to find a file of random weights.
"""

import warnings

import keras
import numpy as np
import pytest
from keras import applications

from deepfake_tf import plugins
from deepfake_tf.backbones import _applications
from deepfake_tf.errors import AssetError, ConfigError

SIZE = 96
# The library's network, and its preprocessing where it is not inside the network; one size of each.
NETWORKS = {
    "convnext_tiny": (applications.ConvNeXtTiny, None),
    "efficientnet_b0": (applications.EfficientNetB0, None),
    "efficientnet_v2_s": (applications.EfficientNetV2S, None),
    "mobilenet_v3_large": (applications.MobileNetV3Large, None),
    "resnet50": (applications.ResNet50, applications.resnet.preprocess_input),
    "xception": (applications.Xception, applications.xception.preprocess_input),
}
# The whole list takes half a minute; this one is the trickiest.
QUICK = {"efficientnet_b0"}


def cases():
    return [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in NETWORKS]


@pytest.fixture
def picture():
    return np.random.default_rng(0).uniform(0, 255, [1, SIZE, SIZE, 3]).astype("float32")


def fill_with_random_weights(model, path):
    """Stands in for loading the library's file; a network of the same layers gets the same weights."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            # As in the library's EfficientNet files: the deviation in the place of the variance.
            mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
            layer.load_own_variables({"0": mean, "1": deviation, "2": np.array(0)})
        elif isinstance(layer, keras.layers.BatchNormalization):
            # Not far from 0 and 1: a deep network of random weights would blow up differences in rounding.
            layer.set_weights([value + rng.uniform(-0.1, 0.1, value.shape) for value in layer.get_weights()])
        else:
            kernels = [value.shape for value in layer.get_weights()]
            spread = [np.sqrt(3 / max(1, np.prod(shape[:-1]))) for shape in kernels]
            layer.set_weights([rng.uniform(-s, s, shape) for s, shape in zip(spread, kernels, strict=True)])


@pytest.mark.parametrize("name", cases())
def test_features_are_the_librarys(name, picture, tmp_path, monkeypatch):
    network, preprocess = NETWORKS[name]
    # Every file of keras.applications comes through these two functions.
    with monkeypatch.context() as patched, warnings.catch_warnings():
        # MobileNetV3 warns of every size but 224.
        warnings.simplefilter("ignore", UserWarning)
        patched.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: "weights.h5")
        patched.setattr(keras.Model, "load_weights", fill_with_random_weights)
        official = network(weights="imagenet", include_top=False, pooling="avg", input_shape=(SIZE, SIZE, 3))
        if name not in QUICK:
            # Ours copies from such a network: building it a second time takes seconds.
            patched.setattr(_applications, "_with_imagenet", lambda _: official)
        ours = plugins.load("backbones", name).build(SIZE, weights="imagenet")
    expected = official(preprocess(picture.copy()) if preprocess else picture, training=False)
    given = ours(picture, training=False)
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(given, expected, atol=1e-5 * scale)
    assert scale > 1e-3

    if name not in ("efficientnet_b0", "resnet50"):
        return
    # Built anew without the library's weights and filled from our own file, it still is that network: with the
    # preprocessing inside of the network, and outside of it.
    ours.save_weights(tmp_path / "ours.weights.h5")
    again = plugins.load("backbones", name).build(SIZE, weights=str(tmp_path / "ours.weights.h5"))
    np.testing.assert_allclose(again(picture, training=False), given, atol=1e-6 * scale)


@pytest.mark.parametrize("name", ["resnet50", pytest.param("xception", marks=pytest.mark.slow)])
def test_kept_blocks_give_what_they_give_inside(name, picture):
    module = plugins.load("backbones", name)
    few = module.build(SIZE, num_blocks=1)
    more = module.build(SIZE, num_blocks=2)
    assert 0 < few.count_params() < more.count_params() < module.build(SIZE).count_params() / 2
    assert few(picture).shape == (1, few.output_shape[-1])


def test_too_many_blocks_are_refused():
    with pytest.raises(ConfigError, match=r"num_blocks must be 1 to 15, or None for all\. Received: num_blocks=16"):
        plugins.load("backbones", "resnet50").build(SIZE, num_blocks=16)


def test_too_small_frames_are_refused():
    with pytest.raises(ConfigError, match="Xception cannot be built: Input size must be at least 71x71"):
        plugins.load("backbones", "xception").build(64)


def test_without_a_network_it_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def no_network(name, url, **_):
        raise Exception(f"URL fetch failure on {url}: None -- no route to host")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", no_network)
    with pytest.raises(AssetError) as caught:
        plugins.load("backbones", "resnet50").build(SIZE, weights="imagenet")
    name = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert f"{name} and put it at {tmp_path}/models/{name}." in str(caught.value)
    assert "download https://storage.googleapis.com/" in str(caught.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(AssetError, match=r"'none', 'imagenet', or a file that ends in \.keras.* Received: 'mine\.h5'"):
        plugins.load("backbones", "resnet50").build(SIZE, weights="mine.h5")


def test_statistics_of_a_network_from_nothing_settle_within_a_hundred_steps():
    model = plugins.load("backbones", "mobilenet_v3_small").build(32, num_blocks=1)
    momenta = [one.momentum for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
    assert momenta
    assert max(momenta) ** 100 < 1e-4
