"""Searches over tiny trainings: what they try, what they record, how they go on."""

import csv
import dataclasses

import keras
import pytest
import tensorflow as tf

from deepfake_tf import atomic, runs
from deepfake_tf.errors import ConfigError, DataError, TrainingError
from deepfake_tf.learning import training
from deepfake_tf.learning.settings import TrainSettings, read_settings
from deepfake_tf.searching import search_report, tuning
from deepfake_tf.searching.search_settings import TUNERS, Between, SearchSettings
from tests.clips_of_squares import both_classes, write_data

BASE = TrainSettings(epochs=1, seed=4, patience=0)
SEARCH = SearchSettings(tuner="random", max_trials=3, recipes=("none",), space={"batch_size": (4, 8)})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(
        tmp_path_factory.mktemp("squares") / "data", {"train": both_classes("t", 2), "val": both_classes("v", 1)}
    )


@pytest.fixture
def trainings(monkeypatch):
    """Trainings that take no time: the value follows from the settings. Returns the settings of each."""
    seen = []

    def train(data_dir, run_dir, settings, *, on_progress, keep_state):
        seen.append(settings)
        run_dir.mkdir(parents=True, exist_ok=True)
        for name in ("model.keras", "state.npz"):
            (run_dir / name).write_text("")
        return {"result": {"metrics": {settings.monitor: value_of(settings)}}}

    monkeypatch.setattr(training, "train", train)
    # Both take longer than all else here.
    monkeypatch.setattr(search_report, "write", lambda *_: None)
    monkeypatch.setattr(keras.backend, "clear_session", lambda: None)
    return seen


def value_of(settings):
    return abs(settings.learning_rate - 3e-3) + 0.001 * settings.batch_size + 1e-6 * settings.epochs


def table(run_dir):
    with (run_dir / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_winner_is_the_trial_with_the_best_value_and_trains_as_it_is(data, tmp_path, trainings):
    run = tuning.tune(data, tmp_path, BASE, search=SEARCH)
    best = min(trainings, key=value_of)
    assert read_settings(tmp_path) == TrainSettings.from_json(run["settings"]) == best
    assert run["result"]["best"] == pytest.approx(value_of(best), rel=1e-5)
    assert run["result"]["num_trials"] == len(trainings) == 3
    number = int(run["result"]["best_run"].split("/")[1])
    assert trainings[number] == best


def test_a_metric_that_is_to_be_high_is_searched_for_its_highest(data, tmp_path, trainings):
    base = dataclasses.replace(BASE, monitor="val_video_auc")
    run = tuning.tune(data, tmp_path, base, search=SEARCH)
    assert run["result"]["best"] == pytest.approx(max(value_of(one) for one in trainings), rel=1e-5)


def test_every_trial_has_a_row(data, tmp_path, trainings):
    tuning.tune(data, tmp_path, BASE, search=SEARCH)
    rows = table(tmp_path)
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    for row, settings in zip(rows, trainings, strict=True):
        assert row["status"] == "COMPLETED"
        assert float(row["learning_rate"]) == settings.learning_rate
        assert float(row["val_loss"]) == pytest.approx(value_of(settings), rel=1e-5)


@pytest.mark.parametrize("tuner", TUNERS)
def test_every_tuner_stays_in_the_space_and_keeps_to_its_trials(data, tmp_path, trainings, tuner):
    space = {"batch_size": (4, 8), "learning_rate": Between(1e-3, 2e-3)}
    search = dataclasses.replace(SEARCH, tuner=tuner, max_trials=4, heads=("mean",), space=space)
    run = tuning.tune(data, tmp_path, dataclasses.replace(BASE, epochs=3), search=search)
    assert len(trainings) == run["result"]["num_trials"] == 4
    for settings in trainings:
        assert settings.head == "mean"
        assert settings.batch_size in (4, 8)
        assert 1e-3 <= settings.learning_rate <= 2e-3
        assert (settings.seed, settings.recipe) == (4, "none")
    assert TrainSettings.from_json(run["settings"]).epochs == 3


def test_hyperband_lets_the_best_go_on_for_longer(data, tmp_path, trainings):
    search = dataclasses.replace(SEARCH, tuner="hyperband", max_trials=6)
    tuning.tune(data, tmp_path, dataclasses.replace(BASE, epochs=3), search=search)
    # Three short ones, the best of them for longer, and a round of two that are long from the start.
    assert [settings.epochs for settings in trainings] == [1, 1, 1, 3, 3, 3]
    assert dataclasses.replace(min(trainings[:3], key=value_of), epochs=3) == trainings[3]


def test_hyperband_begins_anew_until_there_are_as_many_trials_as_asked_for(data, tmp_path, trainings):
    search = dataclasses.replace(SEARCH, tuner="hyperband", max_trials=9)
    tuning.tune(data, tmp_path, dataclasses.replace(BASE, epochs=3), search=search)
    assert [settings.epochs for settings in trainings] == [1, 1, 1, 3, 3, 3, 1, 1, 1]


def test_hyperband_goes_on_although_a_trial_failed(data, tmp_path, trainings, monkeypatch):
    failing(monkeypatch, lambda number: number == 1, ConfigError("no such layout"))
    search = dataclasses.replace(SEARCH, tuner="hyperband", max_trials=7)
    run = tuning.tune(data, tmp_path, dataclasses.replace(BASE, epochs=3), search=search)
    assert run["result"]["num_failed"] == 1
    short = [one for one in trainings if one.epochs == 1]
    assert len(short) == 3
    assert dataclasses.replace(min(short, key=value_of), epochs=3) in trainings


# What goes wrong


def failing(monkeypatch, when, error):
    train = training.train

    def sometimes(data_dir, run_dir, settings, **options):
        if when(int(run_dir.name)):
            raise error
        return train(data_dir, run_dir, settings, **options)

    monkeypatch.setattr(training, "train", sometimes)


@pytest.mark.parametrize(
    "error", [tf.errors.ResourceExhaustedError(None, None, "out of memory"), ConfigError("no such layout"), OSError()]
)
def test_a_failed_trial_is_recorded_and_the_search_goes_on(data, tmp_path, trainings, monkeypatch, error):
    failing(monkeypatch, lambda number: number < 4, error)
    run = tuning.tune(data, tmp_path, BASE, search=dataclasses.replace(SEARCH, max_trials=6))
    assert (run["result"]["num_trials"], run["result"]["num_failed"]) == (6, 4)
    rows = table(tmp_path)
    assert [row["status"] for row in rows] == ["FAILED"] * 4 + ["COMPLETED"] * 2
    assert str(error).strip() in rows[0]["message"]
    assert run["result"]["best_run"] in ("trials/4", "trials/5")


def test_a_trial_without_a_finite_value_failed(data, tmp_path, trainings, monkeypatch):
    values = iter([0.5, float("nan"), 0.4])
    train = training.train

    def with_nan(*arguments, **options):
        train(*arguments, **options)
        return {"result": {"metrics": {"val_loss": next(values)}}}

    monkeypatch.setattr(training, "train", with_nan)
    run = tuning.tune(data, tmp_path, BASE, search=SEARCH)
    assert (run["result"]["best"], run["result"]["num_failed"]) == (0.4, 1)


def test_a_search_whose_trials_all_fail_says_so(data, tmp_path, trainings, monkeypatch):
    failing(monkeypatch, lambda number: True, TrainingError("The loss is nan"))
    with pytest.raises(TrainingError, match="All 3 trials failed; the last one with: .*The loss is nan"):
        tuning.tune(data, tmp_path, BASE, search=SEARCH)
    assert not (tmp_path / "run.json").exists()


def test_data_that_no_trial_can_use_are_an_error_before_the_first(tmp_path, trainings):
    data = write_data(tmp_path / "data", {"train": [("a", 0)], "val": [("b", 0)]})
    with pytest.raises(DataError, match="needs real and fake"):
        tuning.tune(data, tmp_path / "out", BASE, search=SEARCH)
    assert not trainings
    assert not (tmp_path / "out").exists()


# Stopping and going on


def test_a_stopped_search_goes_on_with_the_trial_it_was_at(data, tmp_path, trainings, monkeypatch):
    tuning.tune(data, tmp_path / "whole", BASE, search=SEARCH)
    whole = list(trainings)
    trainings.clear()
    with monkeypatch.context() as patch:
        failing(patch, lambda number: number == 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            tuning.tune(data, tmp_path / "stopped", BASE, search=SEARCH)
    assert not (tmp_path / "stopped" / "run.json").exists()
    tuning.tune(data, tmp_path / "stopped", BASE, search=SEARCH)
    assert trainings == whole
    assert table(tmp_path / "stopped") == table(tmp_path / "whole")


def test_a_finished_search_is_found_finished_unless_more_is_asked_for(data, tmp_path, trainings):
    run = tuning.tune(data, tmp_path, BASE, search=SEARCH)
    assert tuning.tune(data, tmp_path, BASE, search=SEARCH) == run
    assert len(trainings) == 3
    more = tuning.tune(data, tmp_path, BASE, search=dataclasses.replace(SEARCH, max_trials=5))
    assert len(trainings) == more["result"]["num_trials"] == 5


def test_a_folder_with_another_search_is_refused(data, tmp_path, trainings, monkeypatch):
    tuning.tune(data, tmp_path, BASE, search=SEARCH)
    other = dataclasses.replace(SEARCH, heads=("mean",))
    with pytest.raises(ConfigError, match="another finished search"):
        tuning.tune(data, tmp_path, BASE, search=other)
    (tmp_path / "run.json").unlink()
    with pytest.raises(ConfigError, match="unfinished search"):
        tuning.tune(data, tmp_path, BASE, search=other)


def test_progress_counts_trials_and_names_the_best(data, tmp_path, trainings):
    seen = []
    tuning.tune(data, tmp_path, BASE, search=SEARCH, on_progress=seen.append)
    assert [at.num_finished for at in seen] == [1, 2, 3]
    assert seen[-1].best == pytest.approx(min(value_of(one) for one in trainings), rel=1e-5)


@pytest.mark.parametrize("tuner", TUNERS)
def test_killed_at_any_moment_a_search_ends_in_the_same_table(data, tmp_path, trainings, monkeypatch, tuner):
    """Stops at every file that a search writes, one after the other, and goes on."""
    # Fewer than Bayes' first random ones: what follows takes seconds a draw.
    search = dataclasses.replace(SEARCH, tuner=tuner, max_trials=4 if tuner == "bayesian" else 8)
    base = dataclasses.replace(BASE, epochs=3)
    failing(monkeypatch, lambda number: number == 2, ConfigError("no such layout"))
    tuning.tune(data, tmp_path / "whole", base, search=search)
    write_whole, run_dir = atomic.write_whole, tmp_path / "stopped"
    num_written = 0
    for stop_at in range(1, 10**6):
        num_written = 0

        def write(path, content, stop_at=stop_at):
            nonlocal num_written
            num_written += 1
            if num_written == stop_at:
                raise KeyboardInterrupt
            write_whole(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(atomic, "write_whole", write)
            try:
                tuning.tune(data, run_dir, base, search=search)
            except KeyboardInterrupt:
                continue
        break
    assert stop_at > 6
    assert table(run_dir) == table(tmp_path / "whole")
    assert [row["status"] for row in table(run_dir)].count("FAILED") == 1


@pytest.mark.slow
def test_a_real_search_finds_a_run_that_can_be_used(data, tmp_path):
    base = dataclasses.replace(BASE, epochs=3)
    search = SearchSettings(
        tuner="hyperband", max_trials=5, heads=("mean",), recipes=("none",), space={"batch_size": (4,)}
    )
    seen = []
    run = tuning.tune(data, tmp_path, base, search=search, on_progress=seen.append)
    model, best = runs.load_run(tmp_path / run["result"]["best_run"])
    assert model.output_shape == (None,)
    assert best["result"]["metrics"]["val_loss"] == pytest.approx(run["result"]["best"], rel=1e-5)
    longer = [row for row in table(tmp_path) if row["epochs"] == "3" and row["status"] == "COMPLETED"]
    # Those that went on did not begin again; others of three epochs are of a later round, which begins with them.
    begun = [next(at.training for at in seen if at.num_finished == int(row["trial"]) and at.training) for row in longer]
    assert 2 in [at.epoch for at in begun]
    history = (tmp_path / "trials" / longer[0]["trial"] / "history.csv").read_text().splitlines()
    assert len(history) == 1 + 3
