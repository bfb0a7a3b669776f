"""Fitted arrays as files, as layers, and as a SavedModel in a version 1 session against scikit-learn."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_tf import plugins
from deepfake_tf.errors import DataError
from deepfake_tf.predictors.saved_model import SavedModel
from deepfake_tf.probing import fitted
from tests.classifiers.test_classifiers import two_clouds

CHAINS = [("none", name) for name in plugins.names("classifiers")] + [("pca", "svm_rbf"), ("autoencoder", "lda")]


def endpoint(model):
    return lambda features: {"logit": model(features)}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Reductions and classifiers behind them in one SavedModel, and scikit-learn's own logits by signature."""
    features, labels = two_clouds(distance=2.0)
    others, _ = two_clouds(20, seed=1)
    archive, expected = keras.export.ExportArchive(), {}
    signature = [tf.TensorSpec([None, features.shape[1]], tf.float64, "features")]
    for reduction_name, name in CHAINS:
        reduction, classifier = plugins.load("reductions", reduction_name), plugins.load("classifiers", name)
        reduced = reduction.fit(features, 5, seed=0)
        seen, unseen = (fitted.apply_now(reduction.apply, reduced, one) for one in (features, others))
        estimator = classifier.fit(seen, labels, seed=0, **classifier.GRID[0])
        expected[f"{reduction_name}_{name}"] = classifier.logits(estimator, unseen)
        inputs = keras.Input((features.shape[1],), dtype="float64")
        x = fitted.FittedLayer(reduction.apply, reduced, name="reduction")(inputs)
        x = fitted.FittedLayer(classifier.apply, classifier.to_arrays(estimator), name="classifier")(x)
        model = keras.Model(inputs, x)
        archive.track(model)
        archive.add_endpoint(f"{reduction_name}_{name}", endpoint(model), signature)
    folder = tmp_path_factory.mktemp("fitted") / "1"
    archive.write_out(str(folder), verbose=False)
    loaded = SavedModel(folder)
    yield loaded, others, expected
    loaded.close()


@pytest.mark.slow
@pytest.mark.parametrize(("reduction", "classifier"), CHAINS)
def test_session_gives_scikit_learns_logits(exported, reduction, classifier):
    loaded, others, expected = exported
    logits = expected[f"{reduction}_{classifier}"]
    assert np.ptp(logits) > 0.1
    for rows in (slice(0, 20), slice(3, 4)):
        found = loaded.run(f"{reduction}_{classifier}", {"features": others[rows]})["logit"]
        np.testing.assert_allclose(found, logits[rows], atol=1e-5, rtol=0)


def test_whole_numbers_are_no_weights():
    arrays = {"times": np.int64(3), "offset": np.array([1.0]), "places": np.array([0, 1], np.int32)}
    layer = fitted.FittedLayer(
        lambda arrays, x: x[:, arrays["places"][1]] * arrays["times"] + arrays["offset"], arrays, name="one"
    )
    np.testing.assert_array_equal(layer(np.array([[5.0, 2.0]])), [7.0])
    assert [(weight.name, str(weight.dtype)) for weight in layer.weights] == [
        ("offset", "float64"),
        ("places", "int32"),
    ]


def test_layer_calculates_in_float64():
    # 1e8 and 1e8 + 1 are one number in float32.
    layer = fitted.FittedLayer(lambda arrays, x: x[:, 0] - arrays["offset"], {"offset": np.array([1e8])}, name="one")
    np.testing.assert_array_equal(layer(np.array([[1e8 + 1]])), [1.0])


def test_arrays_come_back(tmp_path):
    parts = {"one": {"a": np.arange(3), "k": np.int64(4)}, "two": {"b": np.array([[0.1]])}, "nothing": {}}
    fitted.write_arrays(tmp_path / "one.npz", parts)
    found = fitted.read_arrays(tmp_path / "one.npz")
    assert set(found) == {"one", "two"}
    assert fitted.is_number(found["one"]["k"])
    np.testing.assert_array_equal(found["two"]["b"], [[0.1]])


def test_a_cut_file_is_an_error_in_words(tmp_path):
    fitted.write_arrays(tmp_path / "one.npz", {"one": {"a": np.arange(300)}})
    (tmp_path / "one.npz").write_bytes((tmp_path / "one.npz").read_bytes()[:200])
    with pytest.raises(DataError, match="anew"):
        fitted.read_arrays(tmp_path / "one.npz")
    with pytest.raises(DataError, match="anew"):
        fitted.read_arrays(tmp_path / "nothing.npz")
