"""DeLong's test against the example that its authors published, and against the definition, a sum over all pairs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.errors import DataError
from deepfake_tf.metrics import roc_auc
from deepfake_tf.reporting import delong

# 43 patients of DeLong, DeLong and Clarke-Pearson (1988): albumin, total protein, K-G score (to be taken from 10), and
# whether surgery helped; as the manual of SAS (PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves")
# prints them and the results below.
PATIENTS = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""
TABLE = np.array(PATIENTS.split(), float).reshape(-1, 4)
HELPED = TABLE[:, 3].astype(int)
ALBUMIN, PROTEIN, SCORE = TABLE[:, 0], TABLE[:, 1], 10 - TABLE[:, 2]


def test_the_published_areas_and_their_errors():
    aucs, matrix = delong.covariance(HELPED, np.stack([SCORE, PROTEIN]))
    np.testing.assert_allclose(aucs, [0.7258, 0.6478], atol=5e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(matrix)), [0.1028, 0.1000], atol=5e-5)


def test_the_published_comparison():
    one = delong.compare(HELPED, PROTEIN, SCORE)
    found = [one.difference, one.error, one.low, one.high, one.z**2, one.p]
    np.testing.assert_allclose(found, [-0.0780, 0.1046, -0.2830, 0.1271, 0.5554, 0.4561], atol=5e-5)


def by_definition(labels, scores):
    """Every fake is held against every real; O(n**2), as the paper writes it."""
    above = np.stack(
        [[[(f > r) + 0.5 * (f == r) for r in own[labels == 0]] for f in own[labels == 1]] for own in scores]
    )
    of_fakes, of_reals = above.mean(axis=2), above.mean(axis=1)
    return above.mean(axis=(1, 2)), np.cov(of_fakes) / of_fakes.shape[1] + np.cov(of_reals) / of_reals.shape[1]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_the_fast_way_is_the_definition(rows):
    columns = [np.array(column) for column in zip(*[(0, 1, 2), (0, 3, 0), (1, 2, 4), (1, 5, 1), *rows], strict=True)]
    labels, scores = columns[0], np.stack(columns[1:]).astype(float)
    found, expected = delong.covariance(labels, scores), by_definition(labels, scores)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-12)
    assert found[0][0] == pytest.approx(roc_auc.compute(labels, scores[0]))


def test_the_same_detector_does_not_differ_from_itself():
    found = delong.compare(HELPED, ALBUMIN, 3 * ALBUMIN + 1)
    assert (found.difference, found.error, found.z, found.p) == (0.0, 0.0, 0.0, 1.0)
    # One that is always right against one that is always wrong leaves no doubt, and no error to divide by.
    sure = delong.compare([0, 0, 1, 1], [1, 2, 3, 4], [3, 4, 1, 2])
    assert (sure.difference, sure.p) == (1.0, 0.0)
    assert math.isinf(sure.z)


def test_under_no_difference_one_of_twenty_is_found():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 40)
    found = []
    for _ in range(400):
        shared = labels + rng.normal(size=80)
        found.append(delong.compare(labels, shared + rng.normal(size=80), shared + rng.normal(size=80)).p)
    assert 0.03 <= np.mean(np.array(found) < 0.05) <= 0.08


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match="two fakes and two reals. Received: 1 and 2"):
        delong.compare([0, 0, 1], [1, 2, 3], [1, 2, 3])
