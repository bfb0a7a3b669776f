"""What every classifier must do: the layer gives scikit-learn's logits."""

import numpy as np
import pytest

from deepfake_tf import plugins
from deepfake_tf.probing.fitted import FittedLayer, apply_now

# Neighbours have no weights.
WEIGH_CLASSES = [name for name in plugins.names("classifiers") if name != "knn"]


def two_clouds(num_clips=90, num_features=12, *, seed=0, distance=1.0):
    """Embeddings of two classes, uneven in number, that overlap: float64 [N, D] and labels."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(num_clips) % 3 == 0).astype(np.int64)
    features = rng.normal(0, 1, (num_clips, num_features))
    features[:, 0] += distance * labels
    # Bent: a plane alone does not part them.
    features[:, 1] *= 1 + labels
    return features, labels


@pytest.fixture(params=plugins.names("classifiers"))
def classifier(request):
    return plugins.load("classifiers", request.param)


def test_every_point_of_the_grid_is_equal_to_scikit_learn(classifier):
    features, labels = two_clouds()
    others, _ = two_clouds(50, seed=1)
    for settings in classifier.GRID:
        estimator = classifier.fit(features, labels, seed=3, **settings)
        expected = classifier.logits(estimator, others)
        arrays = classifier.to_arrays(estimator)
        np.testing.assert_allclose(apply_now(classifier.apply, arrays, others), expected, atol=1e-9)
        layer = FittedLayer(classifier.apply, arrays, name="classifier")
        assert layer.trainable_weights == []
        # In any batch, the one of a single clip among them.
        for batch in (others, others[:1]):
            found = np.asarray(layer(batch))
            assert found.shape == (len(batch),)
            np.testing.assert_allclose(found, expected[: len(batch)], atol=1e-9)


def test_fakes_score_higher(classifier):
    features, labels = two_clouds(distance=4.0)
    logits = classifier.logits(classifier.fit(features, labels, seed=0, **classifier.GRID[0]), features)
    assert logits[labels == 1].mean() > logits[labels == 0].mean() + 0.5
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("name", WEIGH_CLASSES)
def test_a_class_does_not_win_by_its_number(name):
    # Twice as many reals as fakes at the very same places: on average nothing speaks for either.
    classifier = plugins.load("classifiers", name)
    rng = np.random.default_rng(0)
    fakes = rng.normal(0, 1, (60, 4))
    features, labels = np.concatenate([fakes, fakes, fakes]), np.repeat([1, 0, 0], 60)
    logits = classifier.logits(classifier.fit(features, labels, seed=0, **classifier.GRID[0]), features)
    assert abs(np.mean(logits)) < 0.25


def test_the_same_seed_gives_the_same_classifier(classifier):
    features, labels = two_clouds()
    first, second = (
        classifier.logits(classifier.fit(features, labels, seed=5, **classifier.GRID[0]), features) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_it_says_what_its_logit_is(classifier):
    assert len(classifier.LOGIT) > 20
    assert classifier.__doc__
    assert len(classifier.GRID) >= 2
