"""What a search draws from, and how that is narrowed."""

import dataclasses

import keras_tuner
import pytest

from deepfake_tf import plugins
from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.searching import search_space
from deepfake_tf.searching.search_settings import DRAWN, Between, SearchSettings

BASE = TrainSettings(seed=4)


def declared(**search) -> dict[str, dict]:
    """The settings that a search declares with every plugin's branch open, by name."""
    hp = keras_tuner.HyperParameters()
    settings = SearchSettings(**search)
    search_space.check(BASE, settings)
    for backbone in settings.backbones:
        for head in settings.heads:
            hp.values |= {"backbone": backbone, "head": head}
            search_space.draw(hp, BASE, settings)
    return {one.name.replace("/", "."): one.get_config() for one in hp.space}


def test_settings_of_a_plugin_are_only_drawn_where_it_is_chosen():
    hp = keras_tuner.HyperParameters()
    hp.Fixed("head", "mean")
    settings = search_space.draw(hp, BASE, SearchSettings(heads=("lstm", "mean")))
    assert settings.head_settings == {}
    assert not [name for name in hp.values if name.startswith("lstm/")]


def test_what_every_search_draws_is_what_no_flag_fixes():
    other = {
        **{"backbone": "high_pass_cnn", "head": "gru", "backbone_settings": {"x": 1}, "head_settings": {"x": 1}},
        **{"dropout": 0.45, "recipe": "none", "batch_size": 3, "learning_rate": 0.7},
        **{"loss": "focal", "label_smoothing": 0.3},
    }
    assert set(other) == set(DRAWN)
    drawn = [
        search_space.draw(keras_tuner.HyperParameters(), base, SearchSettings())
        for base in (BASE, dataclasses.replace(BASE, **other), dataclasses.replace(BASE, clip_norm=2.0))
    ]
    assert drawn[0] == drawn[1]
    assert drawn[2].clip_norm == 2.0


def test_the_space_stands_beside_each_plugin():
    drawn = keras_tuner.HyperParameters()
    plugins.load("heads", "lstm").sample(drawn)
    names = set(declared(heads=("lstm",)))
    assert {f"lstm.{name}" for name in drawn.values} <= names
    assert {"learning_rate", "batch_size", "dropout"} <= names


def test_values_and_ranges_take_the_place_of_the_plugin_s_own():
    space = declared(
        space={
            "learning_rate": Between(1e-4, 1e-3),
            "batch_size": (4, 6),
            "small_cnn.width": Between(20, 40),
            "small_cnn.depth": (3, 5),
            "lstm.units": (7, 9),
        }
    )
    assert (space["learning_rate"]["min_value"], space["learning_rate"]["max_value"]) == (1e-4, 1e-3)
    assert space["learning_rate"]["sampling"] == "log"
    assert space["batch_size"]["values"] == [4, 6]
    # A range keeps those of the plugin's own values that lie in it.
    assert space["small_cnn.width"]["values"] == [24, 32]
    assert space["small_cnn.depth"]["values"] == [3, 5]
    assert space["lstm.units"]["values"] == [7, 9]


def test_one_value_is_not_drawn_but_set():
    search = SearchSettings(heads=("lstm",), space={"dropout": (0.4,), "lstm.units": (8,), "small_cnn.depth": (4,)})
    hp = keras_tuner.HyperParameters()
    settings = search_space.draw(hp, BASE, search)
    assert settings.dropout == 0.4
    assert settings.head_settings["units"] == 8
    assert len(settings.backbone_settings["channels"]) == 4
    assert not {"dropout", "lstm/units", "small_cnn/depth"} & {one.name for one in hp.space}


def test_any_plain_setting_may_be_drawn():
    space = declared(space={"patience": Between(2, 9), "seed": (1, 2), "balance": ("class", "weights")})
    assert (space["patience"]["min_value"], space["patience"]["max_value"]) == (2, 9)
    assert space["seed"]["values"] == [1, 2]
    assert space["balance"]["values"] == ["class", "weights"]


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({"small_cnn.widht": (16,)}, "Did you mean 'small_cnn.width'"),
        ({"gru.units": (16,)}, "Nothing is drawn under the name 'gru.units'"),
        ({"epochs": (3, 4)}, "Nothing is drawn under the name 'epochs'"),
        ({"backbone_settings": (1, 2)}, "Nothing is drawn"),
        ({"batch_size": ("many",)}, "batch_size is drawn from whole numbers, such as 16. Received: 'many'"),
        ({"batch_size": (8.5,)}, "batch_size is drawn from whole numbers"),
        ({"batch_size": (8, 0)}, "batch_size must be a whole number of 1 or more"),
        ({"learning_rate": Between(-1.0, 1.0)}, "learning_rate"),
        ({"balance": ("weights", "some")}, "balance must be one of"),
        ({"small_cnn.width": Between(1, 9)}, "has no value in 1:9. It has: 16, 24, 32"),
        ({"lstm.units": (True,)}, "lstm.units is drawn from whole numbers"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused_in_words(space, says):
    with pytest.raises(ConfigError, match=says):
        search_space.check(BASE, SearchSettings(space=space))


def test_settings_are_the_same_after_a_journey_between_machines():
    hp = keras_tuner.HyperParameters()
    search = SearchSettings(heads=("lstm",))
    search_space.draw(hp, BASE, search)
    for number in range(50):
        for one in hp.space:
            hp.values[one.name] = one.random_sample(number)
        hp.ensure_active_values()
        trial = keras_tuner.engine.trial.Trial(hp, trial_id="0")
        arrived = keras_tuner.engine.trial.Trial.from_proto(trial.to_proto())
        assert search_space.settings_of(arrived, BASE, search) == search_space.settings_of(trial, BASE, search)
        assert search_space.settings_of(trial, BASE, search).dropout in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


def test_hyperband_s_epochs_count():
    hp = keras_tuner.HyperParameters()
    search_space.draw(hp, BASE, SearchSettings())
    hp.values["tuner/epochs"] = 3
    trial = keras_tuner.engine.trial.Trial(hp, trial_id="0")
    assert search_space.settings_of(trial, BASE, SearchSettings()).epochs == 3
    assert "tuner/epochs" not in search_space.drawn_values(trial)
