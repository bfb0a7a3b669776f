"""Calibration of a run whose clip logits are known."""

import json

import numpy as np
import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.judging import calibration, decision, run_calibration
from deepfake_tf.judging.decision import Decision, Goal
from deepfake_tf.judging.run_calibration import Wanted, calibrate
from deepfake_tf.learning import training
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.reporting import evaluation
from deepfake_tf.schema import SCORE_BINS
from tests.clips_of_squares import both_classes, write_data

SETTINGS = TrainSettings(
    head="mean", backbone_settings={"channels": [4, 8]}, batch_size=4, learning_rate=0.01, epochs=1, recipe="none"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    splits = {"train": both_classes("t", 2), "val": both_classes("v", 12), "test": both_classes("x", 12)}
    return write_data(tmp_path_factory.mktemp("squares") / "data", splits)


@pytest.fixture(scope="module")
def run_dir(data, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run") / "run"
    training.train(data, run_dir, SETTINGS)
    return run_dir


def overconfident(clips):
    """Clip logits, two a video: eight times too sure, and of every sixth video wrong."""
    names = [int(name[1:]) for name in clips.video_ids]
    wrong = np.array([number % 6 == 5 for number in names])
    spread = np.array([(number * 7) % 5 for number in names]) / 5
    return np.where((clips.labels == 1) ^ wrong, 1.0, -1.0) * (8 + spread) + 0.5 * np.arange(len(names)) / len(names)


@pytest.fixture
def scored(monkeypatch):
    monkeypatch.setattr(run_calibration.scoring, "predict_logits", lambda model, clips, **more: overconfident(clips))


def test_temperature_lowers_the_error_on_other_videos_and_leaves_the_auc(data, run_dir, scored, tmp_path):
    plain = evaluation.evaluate(run_dir, data, "test", tmp_path / "before")["videos"]["metrics"]
    found = calibrate(run_dir, data, Wanted(method="temperature"))
    calibrated = evaluation.evaluate(run_dir, data, "test", tmp_path / "after")["videos"]["metrics"]
    (run_dir / decision.CALIBRATION_FILE).unlink()
    assert found["decision"]["calibration"]["method"] == "temperature"
    assert found["decision"]["calibration"]["scale"] < 0.5
    assert calibrated["ece"] < 0.7 * plain["ece"]
    assert calibrated["log_loss"] < plain["log_loss"]
    for name in ("roc_auc", "partial_auc", "average_precision", "eer"):
        assert calibrated[name] == plain[name]


def test_what_is_written_is_what_was_chosen_and_why(data, run_dir, scored):
    wanted = Wanted("trimmed_mean", "platt", Goal(max_false_rate=0.2), inconclusive=0.25)
    found = calibrate(run_dir, data, wanted)
    run = json.loads((run_dir / "run.json").read_text())
    chosen, chosen_on = decision.read(run_dir, run)
    (run_dir / decision.CALIBRATION_FILE).unlink()
    assert (chosen.joining, chosen.calibration.method) == ("trimmed_mean", "platt")
    assert Decision.from_json(found["decision"]) == chosen
    assert chosen_on == json.loads(json.dumps(found["chosen_on"]))
    assert chosen_on["goal"] == "at most 0.2 of the reals called fake"
    assert (chosen_on["num_real"], chosen_on["num_fake"]) == (12, 12)
    assert chosen_on["rates"]["false_positive"] <= 0.2
    assert chosen_on["rates"]["inconclusive"] <= 0.25
    assert (len(chosen_on["score_histogram"]), sum(chosen_on["score_histogram"])) == (SCORE_BINS, 24)
    # What is above the threshold is counted in its bin or beyond.
    above = sum(chosen_on["score_histogram"][int(chosen.threshold * SCORE_BINS) :])
    assert above >= 12 * (chosen_on["rates"]["false_positive"] + chosen_on["rates"]["true_positive"])
    assert chosen_on["after"]["roc_auc"] == chosen_on["before"]["roc_auc"]


def test_the_rule_that_fits_best_is_taken(data, run_dir, monkeypatch):
    """One of two clips is noise in every fake: a vote of the sure ones tells more than the mean."""

    def logits_of(model, clips, **more):
        second = np.array([name.endswith("1") for name in clips.example_ids])
        real = np.where(second, -1.0, 2.0)
        return np.where(clips.labels == 0, real, np.where(second, 1.6, 1.5)) + 0.01 * np.arange(len(clips))

    monkeypatch.setattr(run_calibration.scoring, "predict_logits", logits_of)
    found = calibrate(run_dir, data)
    (run_dir / decision.CALIBRATION_FILE).unlink()
    losses = found["chosen_on"]["joinings"]
    assert found["decision"]["joining"] == min(losses, key=losses.get)
    assert set(losses) == {"mean", "max_track", "trimmed_mean", "confident_vote"}


def test_few_videos_are_said_to_be_few(data, run_dir, scored):
    goal = Goal(max_false_rate=0.01)
    notes = calibrate(run_dir, data, Wanted(method="isotonic", goal=goal))["chosen_on"]["notes"]
    (run_dir / decision.CALIBRATION_FILE).unlink()
    assert any("12 reals cannot show a rate of 0.01" in note for note in notes)
    assert any("isotonic from 24 videos follows chance" in note for note in notes)


def test_the_test_split_is_refused(data, run_dir):
    with pytest.raises(ConfigError, match="measured on nothing. Choose on --split val"):
        calibrate(run_dir, data, split="test")
    with pytest.raises(ConfigError, match="Unknown joining rule 'median'"):
        Wanted(joining="median")


def test_the_command_offers_every_method():
    from pipelines.calibrate import METHODS

    assert METHODS == calibration.METHODS
