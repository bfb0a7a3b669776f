"""What a search is told, and how a space is typed."""

import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.searching.search_settings import Between, SearchSettings, parse_space


@pytest.mark.parametrize(
    "wrong",
    [
        {"tuner": "guess"},
        {"max_trials": 0},
        {"max_trials": 2.5},
        {"heads": ()},
        {"backbones": ("nope",)},
        {"space": {"batch_size": ()}},
    ],
)
def test_wrong_search_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        SearchSettings(**wrong)


def test_a_space_is_typed_as_values_or_a_range():
    space = parse_space(
        ["learning_rate=1e-4:1e-3", "batch_size=8, 16", "lstm.units=32", "loss=focal", "ema=true,false"]
    )
    assert space == {
        "learning_rate": Between(1e-4, 1e-3),
        "batch_size": (8, 16),
        "lstm.units": (32,),
        "loss": ("focal",),
        "ema": (True, False),
    }
    assert [type(one) for one in space["batch_size"]] == [int, int]


def test_search_settings_are_json():
    space = {"learning_rate": Between(1e-4, 1e-3), "batch_size": (8,)}
    values = SearchSettings(space=space).to_json()["space"]
    assert values == {"learning_rate": {"low": 1e-4, "high": 1e-3}, "batch_size": [8]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["batch_size"], "typed as NAME=VALUE,VALUE"),
        (["=8"], "typed as NAME=VALUE,VALUE"),
        (["batch_size=8,,16"], "typed as NAME=VALUE,VALUE"),
        (["batch_size=8", "batch_size=16"], "twice"),
        (["learning_rate=1e-4:high"], "two numbers"),
        (["learning_rate=1e-4:1e-3:1e-2"], "two numbers"),
        (["learning_rate=1:2,3"], "two numbers"),
        (["learning_rate=1e-3:1e-4"], "lower end. Received: 0.001:0.0001"),
    ],
)
def test_what_is_typed_wrong_is_refused_in_words(words, says):
    with pytest.raises(ConfigError, match=says):
        parse_space(words)
