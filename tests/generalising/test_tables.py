import pytest

from deepfake_tf.generalising import tables


@pytest.mark.parametrize(
    ("auc", "interval", "expected"),
    [
        (0.6, [0.4, 0.8], True),
        (0.8, [0.6, 0.9], False),
        (0.2, [0.1, 0.4], False),
        # The same in every draw: all pairs are in order, or all scores are alike, or there is nothing to tell.
        (1.0, [None, None], False),
        (0.0, [None, None], False),
        (0.5, [None, None], True),
        (None, [None, None], True),
    ],
)
def test_what_is_shown_to_differ_from_chance_is_not_at_chance(auc, interval, expected):
    assert tables.at_chance({"auc": auc, "interval": interval}) is expected


def test_kinds_count_alike_however_few_fakes_they_have():
    kinds = {"a": {"auc": 1.0, "num_fake": 90}, "b": {"auc": 0.5, "num_fake": 10}}
    assert tables.mean_of_kinds({"auc": 0.95, "kinds": kinds}) == "0.750"
