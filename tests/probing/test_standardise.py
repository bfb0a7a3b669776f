import numpy as np
from sklearn.preprocessing import StandardScaler

from deepfake_tf.probing import standardise
from deepfake_tf.probing.fitted import apply_now


def test_it_is_scikit_learns():
    rng = np.random.default_rng(0)
    features, others = rng.normal(3, 5, (40, 6)), rng.normal(3, 5, (7, 6))
    expected = StandardScaler().fit(features).transform(others)
    np.testing.assert_allclose(apply_now(standardise.apply, standardise.fit(features), others), expected, atol=1e-12)


def test_what_does_not_vary_has_no_say():
    # A dead feature, and one whose spread is what rounding to float32 leaves.
    features = np.stack([np.zeros(50), np.full(50, 700) + 1e-3 * (np.arange(50) % 2), np.arange(50)], axis=1)
    found = apply_now(standardise.apply, standardise.fit(features), features + [[5.0, 5.0, 0.0]])
    np.testing.assert_array_equal(found[:, :2], 0)
    assert found[:, 2].std() > 0.9
