"""Settings check themselves, and come back from JSON as they were."""

import argparse
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import (
    MONITORS,
    RUN_VERSION,
    ModelSettings,
    TrainSettings,
    read_run,
    read_settings,
)
from deepfake_tf.learning.train_flags import add_flags, from_flags
from deepfake_tf.schema import ClipSpec


@given(
    dropout=st.floats(0, 0.99),
    batch_size=st.integers(1, 512),
    learning_rate=st.floats(1e-7, 1),
    monitor=st.sampled_from(list(MONITORS)),
    seed=st.integers(0, 2**31),
    units=st.integers(1, 256),
)
def test_training_settings_come_back_from_json(units, **values):
    settings = TrainSettings(**values, head_settings={"units": units})
    assert TrainSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_model_settings_come_back_from_json_and_follow_the_spec():
    settings = TrainSettings(head="mean", dropout=0.3).model(ClipSpec(num_frames=5, crop_size_px=64))
    assert settings == ModelSettings(head="mean", num_frames=5, image_size=64, dropout=0.3)
    assert ModelSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"backbone": "smal_cnn"}, "Did you mean 'small_cnn'"),
        ({"head": "nope"}, "Known: "),
        ({"recipe": "nope"}, "in recipes"),
        ({"dropout": 1.0}, r"\[0, 1\)"),
        ({"dropout": "much"}, "dropout"),
        ({"batch_size": 0}, "1 or more"),
        ({"epochs": True}, "whole number"),
        ({"patience": -1}, "0 or more"),
        ({"learning_rate": 0}, "above 0"),
        ({"backbone_rate": 0}, "above 0"),
        ({"clip_norm": -1.0}, "0 or more"),
        ({"weight_decay": float("inf")}, "0 or more"),
        ({"label_smoothing": 1.0}, r"\[0, 1\)"),
        ({"optimizer": "adagrad"}, "adamw"),
        ({"schedule": "linear"}, "cosine"),
        ({"loss": "hinge"}, "focal"),
        ({"deterministic": 1}, "true or false"),
        ({"accumulate": 0}, "1 or more"),
        ({"learning_rate": float("nan")}, "above 0"),
        ({"monitor": "val_accuracy"}, "val_video_auc"),
        ({"balance": "some"}, "weights, none"),
        ({"head_settings": [1]}, "JSON object"),
    ],
)
def test_wrong_training_settings_are_refused_in_words(wrong, says):
    with pytest.raises(ConfigError, match=says):
        TrainSettings(**wrong)


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError, match="optimiser"):
        TrainSettings.from_json({"optimiser": "adam"})
    with pytest.raises(ConfigError, match="depth"):
        ModelSettings.from_json({"depth": 3})


def test_flags_go_before_the_file_and_the_file_before_defaults(tmp_path):
    parser = argparse.ArgumentParser()
    add_flags(parser)
    base = dataclasses.replace(TrainSettings(), epochs=7, batch_size=4)
    (tmp_path / "run.json").write_text(json.dumps({"format_version": RUN_VERSION, "settings": base.to_json()}))
    flags = ["--batch-size", "9", "--head-settings", '{"units": 5}']
    settings = from_flags(parser.parse_args(["--settings", str(tmp_path / "run.json"), *flags]))
    assert (settings.epochs, settings.batch_size, settings.head_settings) == (7, 9, {"units": 5})
    assert settings.seed == TrainSettings().seed
    assert from_flags(parser.parse_args(flags)) == dataclasses.replace(settings, epochs=TrainSettings().epochs)


def test_every_training_setting_has_a_flag():
    parser = argparse.ArgumentParser()
    add_flags(parser)
    flags = {action.dest for action in parser._actions} - {"help", "settings"}
    assert flags == {one.name for one in dataclasses.fields(TrainSettings)}


def test_a_probes_settings_are_no_trainings(tmp_path):
    settings = {"backbone": "small_cnn", "reduction": "pca:4", "classifier": "lda"}
    run = {"format_version": RUN_VERSION, "kind": "probe", "settings": settings}
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(ConfigError, match=r"a probe, small_cnn \+ pca:4 \+ lda"):
        read_settings(tmp_path)


def test_read_settings_reads_the_settings_and_nothing_else(tmp_path):
    run = {"format_version": RUN_VERSION, "settings": TrainSettings(seed=3).to_json(), "data": "ignored"}
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert read_settings(tmp_path) == read_settings(tmp_path / "run.json") == TrainSettings(seed=3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "There is no"),
        ("no json", "cannot be read as JSON"),
        ("[1]", 'no "settings"'),
        ('{"settings": {}, "format_version": 99}', "version 99"),
    ],
)
def test_what_is_no_run_is_refused_in_words(tmp_path, text, says):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_run(tmp_path)
