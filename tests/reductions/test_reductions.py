"""What every reduction must do, and that PCA is scikit-learn's and an autoencoder's code tells the embedding again."""

import numpy as np
import pytest
import sklearn.decomposition

from deepfake_tf import plugins, reductions
from deepfake_tf.errors import ConfigError
from deepfake_tf.probing.fitted import FittedLayer, apply_now
from deepfake_tf.reductions import autoencoder, pca


def flat_cloud(num_clips=60, num_features=10, *, rank=3, seed=0):
    """Embeddings that lie near a space of few dimensions."""
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(0, 1, (rank, num_features))
    return rng.normal(0, 1, (num_clips, rank)) @ directions + rng.normal(0, 0.01, (num_clips, num_features))


@pytest.fixture(params=plugins.names("reductions"))
def reduction(request):
    return plugins.load("reductions", request.param)


def test_layer_and_array_agree_and_are_as_wide_as_asked(reduction, monkeypatch):
    monkeypatch.setattr(autoencoder, "NUM_EPOCHS", 1)
    features, others = flat_cloud(), flat_cloud(7, seed=1)
    arrays = reduction.fit(features, 4, seed=0)
    found = apply_now(reduction.apply, arrays, others)
    assert found.dtype == np.float64
    assert found.shape == (7, 10 if reduction.__name__.endswith("none") else 4)
    np.testing.assert_allclose(np.asarray(FittedLayer(reduction.apply, arrays, name="one")(others)), found, atol=1e-12)


def test_pca_is_scikit_learns():
    features, others = flat_cloud(), flat_cloud(7, seed=1)
    expected = sklearn.decomposition.PCA(3, svd_solver="full").fit(features).transform(others)
    np.testing.assert_allclose(apply_now(pca.apply, pca.fit(features, 3, seed=0), others), expected, atol=1e-12)


def test_pca_gives_no_more_components_than_there_can_be():
    assert pca.fit(flat_cloud(5), 32, seed=0)["components"].shape == (10, 4)
    assert pca.fit(flat_cloud(50), 32, seed=0)["components"].shape == (10, 10)


def test_code_of_the_autoencoder_holds_what_the_embedding_held(monkeypatch):
    monkeypatch.setattr(autoencoder, "LEARNING_RATE", 1e-2)
    features, others = flat_cloud(), flat_cloud(40, seed=1)
    arrays = autoencoder.fit(features, 4, seed=0)
    code, other_code = (apply_now(autoencoder.apply, arrays, one) for one in (features, others))
    # Told again by least squares, which knows nothing of the decoder.
    solution = np.linalg.lstsq(np.c_[code, np.ones(len(code))], features, rcond=None)[0]
    missed = np.mean((np.c_[other_code, np.ones(40)] @ solution - others) ** 2)
    assert missed < 0.15 * np.var(others)


def test_same_seed_same_autoencoder(monkeypatch):
    monkeypatch.setattr(autoencoder, "NUM_EPOCHS", 2)
    first, second, other = (autoencoder.fit(flat_cloud(), 4, seed=seed)["weights_1"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize(
    ("name", "expected"), [("none", ("none", None)), ("pca", ("pca", None)), ("pca:8", ("pca", 8))]
)
def test_names_are_parsed(name, expected):
    assert reductions.parse(name) == expected


@pytest.mark.parametrize("name", ["pca:", "pca:0", "pca:x", "none:3", "nothing"])
def test_wrong_names_are_refused_in_words(name):
    with pytest.raises(ConfigError, match=r"reduction|Unknown name"):
        reductions.parse(name)
