"""Training on squares: what it learns, what it writes, and that a stopped run ends like one that was not."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_tf import records, runs
from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.batching.loading import Loading
from deepfake_tf.errors import ConfigError, DataError, TrainingError
from deepfake_tf.judging.scoring import predict_logits
from deepfake_tf.learning import training, training_step, validation
from deepfake_tf.learning.fused_norms import with_fused_norms
from deepfake_tf.learning.history import best_epoch, should_stop
from deepfake_tf.learning.settings import MONITORS, TrainSettings
from tests.clips_of_squares import SPEC, both_classes, write_data

SETTINGS = TrainSettings(
    backbone_settings={"channels": [4, 8], "dropout": 0.2},
    # What takes longest is to trace a recurrent head.
    head="mean",
    batch_size=4,
    learning_rate=0.01,
    epochs=3,
    seed=1,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(
        tmp_path_factory.mktemp("squares") / "data",
        {"train": [*both_classes("t", 4), ("unlabelled", None)], "val": both_classes("v", 3)},
    )


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run") / "run"
    seen = []
    run = training.train(data, run_dir, SETTINGS, on_progress=seen.append)
    return run_dir, run, seen


def history_of(run_dir):
    with (run_dir / "history.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def weights_of(run_dir):
    return runs.load_run(run_dir)[0].get_weights()


# What a run is


def test_run_json_says_all_that_the_run_followed_from(data, finished):
    run_dir, run, _ = finished
    assert run == json.loads((run_dir / "run.json").read_text())
    assert set(run) == {"format_version", "kind", "settings", "environment", "data", "result"}
    assert TrainSettings.from_json(run["settings"]) == SETTINGS
    assert run["data"]["fingerprint"] == records.read_index(data).fingerprint()
    assert run["data"]["clip_spec"] == SPEC.to_json()
    assert run["data"]["splits"]["train"] == {"num_videos": 8, "num_groups": 8, "num_clips": {"real": 8, "fake": 8}}
    assert run["environment"]["keras"] == keras.__version__


def test_history_has_a_row_an_epoch_and_the_best_is_the_best(finished):
    run_dir, run, _ = finished
    history = history_of(run_dir)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert set(MONITORS) <= set(history[0])
    values = [row["val_loss"] for row in history]
    assert run["result"]["best_epoch"] == 1 + int(np.argmin(values))
    assert run["result"]["metrics"]["val_loss"] == min(values)


def test_the_loaded_model_is_that_of_the_best_epoch(data, finished):
    run_dir, run, _ = finished
    model, loaded = runs.load_run(run_dir)
    assert loaded == run
    found = validation.validate(model, list_clips(data, ["val"]), 4)
    expected = {name: run["result"]["metrics"][name] for name in MONITORS}
    assert found == pytest.approx(expected, abs=1e-6)


def test_validation_is_log_loss_and_auc_by_arithmetic(data, finished):
    model, _ = runs.load_run(finished[0])
    clips = list_clips(data, ["val"])
    logits = predict_logits(model, clips)
    found = validation.validate(model, clips, 5)
    signs = np.where(clips.labels == 1, -1.0, 1.0)
    assert found["val_loss"] == pytest.approx(float(np.mean(np.log1p(np.exp(signs * logits)))), abs=1e-6)
    by_video = logits.reshape(-1, 2).mean(axis=1)
    assert found["val_video_loss"] == pytest.approx(float(np.mean(np.log1p(np.exp(signs[::2] * by_video)))), abs=1e-6)


def test_nothing_is_left_of_the_way(finished):
    assert sorted(path.name for path in finished[0].iterdir()) == [
        "curves.png",
        "history.csv",
        "model.keras",
        "run.json",
        "timing.json",
    ]


def test_progress_covers_every_step(finished):
    seen = finished[2]
    assert {(at.epoch, at.step) for at in seen} == {(epoch, step) for epoch in (1, 2, 3) for step in range(5)}
    assert all(at.num_steps == 4 and at.num_epochs == 3 for at in seen)
    assert set(MONITORS) <= set(seen[-1].metrics)


def test_model_keras_opens_in_keras_alone(finished):
    model = keras.models.load_model(finished[0] / "model.keras")
    assert model.output_shape == (None,)
    assert not getattr(model, "optimizer", None)


def test_how_batches_are_loaded_changes_nothing_and_where_the_time_went_is_told(data, finished, tmp_path):
    timing = json.loads((finished[0] / "timing.json").read_text())
    assert {"read", "decode", "augment", "elapsed"} <= set(timing)
    loading = Loading(num_threads=1, cache=tmp_path / "cache")
    run = training.train(data, tmp_path / "run", SETTINGS, loading=loading)
    assert run["result"]["metrics"] == finished[1]["result"]["metrics"]
    for one, other in zip(weights_of(tmp_path / "run"), weights_of(finished[0]), strict=True):
        np.testing.assert_array_equal(one, other)
    cached = json.loads((tmp_path / "run" / "timing.json").read_text())
    assert cached["decode"]["count"] < timing["decode"]["count"]


def test_a_model_of_fewer_frames_than_are_stored_learns_and_judges(data, tmp_path):
    run = training.train(data, tmp_path / "run", dataclasses.replace(SETTINGS, epochs=1, num_frames=2))
    assert run["data"]["clip_spec"]["num_frames"] == 2
    model, _ = runs.load_run(tmp_path / "run")
    clips = list_clips(data, ["val"])
    assert model.input["clips"].shape[1] == 2
    np.testing.assert_array_equal(predict_logits(model, clips), predict_logits(model, clips.with_num_frames(2)))
    runs.check_spec(run, clips.spec, data)


def test_a_finished_run_is_found_finished(data, finished):
    run_dir, run, _ = finished
    before = (run_dir / "model.keras").stat().st_mtime_ns
    assert training.train(data, run_dir, SETTINGS) == run
    assert (run_dir / "model.keras").stat().st_mtime_ns == before


def test_a_finished_run_with_other_settings_is_not_overwritten(data, finished):
    with pytest.raises(ConfigError, match="other settings or other data"):
        training.train(data, finished[0], dataclasses.replace(SETTINGS, seed=2))


# The same again, and a stop in between


class Stop(Exception):
    pass


def train_until(data, run_dir, settings, *, epoch, step):
    def stop(at):
        if (at.epoch, at.step) == (epoch, step):
            raise Stop

    with pytest.raises(Stop):
        training.train(data, run_dir, settings, on_progress=stop)


def test_a_run_that_was_stopped_ends_with_the_same_weights(data, finished, tmp_path):
    """Other moments, and every kind of state: tests/learning/test_training_state.py."""
    train_until(data, tmp_path / "run", SETTINGS, epoch=2, step=0)
    assert not (tmp_path / "run" / "run.json").exists()
    run = training.train(data, tmp_path / "run", SETTINGS)
    for one, other in zip(weights_of(tmp_path / "run"), weights_of(finished[0]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert run["result"]["metrics"] == finished[1]["result"]["metrics"]
    assert history_of(tmp_path / "run") == history_of(finished[0])


def test_an_unfinished_run_with_other_settings_is_not_mixed(data, tmp_path):
    train_until(data, tmp_path, SETTINGS, epoch=2, step=0)
    with pytest.raises(ConfigError, match="unfinished run"):
        training.train(data, tmp_path, dataclasses.replace(SETTINGS, learning_rate=0.02))


@pytest.mark.slow
def test_a_kept_state_can_go_on_for_longer(data, finished, tmp_path):
    training.train(data, tmp_path / "short", dataclasses.replace(SETTINGS, epochs=1), keep_state=True)
    (tmp_path / "long").mkdir()
    for name in ("state.npz", "model.keras"):
        (tmp_path / "long" / name).write_bytes((tmp_path / "short" / name).read_bytes())
    training.train(data, tmp_path / "long", SETTINGS)
    assert history_of(tmp_path / "long") == history_of(finished[0])


def test_another_seed_gives_other_weights(data, finished, tmp_path):
    training.train(data, tmp_path, dataclasses.replace(SETTINGS, seed=2, epochs=1))
    assert history_of(tmp_path)[0] != history_of(finished[0])[0]


# When to stop


def history(*values):
    return [{"epoch": 1 + number, "val_loss": value, "val_auc": -value} for number, value in enumerate(values)]


def test_the_best_epoch_is_the_earliest_of_equal_ones_and_knows_its_direction():
    assert best_epoch(history(3, 1, 2, 1), "val_loss")["epoch"] == 2
    assert best_epoch(history(3, 1, 2, 1), "val_auc")["epoch"] == 2


@pytest.mark.parametrize(
    ("values", "patience", "stops"),
    [
        ((), 1, False),
        ((1, 2), 1, True),
        ((1, 2), 2, False),
        ((2, 1), 1, False),
        ((1,) * 9, 0, False),
        ((1, 1, 1), 2, True),
    ],
)
def test_training_stops_when_patience_is_over(values, patience, stops):
    settings = TrainSettings(epochs=100, patience=patience)
    assert should_stop(history(*values), settings) is stops


def test_early_stopping_ends_a_run(data, tmp_path, monkeypatch):
    values = iter([0.5, 0.6, 0.7, 0.8])
    monkeypatch.setattr(validation, "measure", lambda *_: dict.fromkeys(MONITORS, next(values)))
    run = training.train(data, tmp_path / "run", dataclasses.replace(SETTINGS, epochs=9, patience=2))
    assert (run["result"]["num_epochs"], run["result"]["best_epoch"]) == (3, 1)
    # What is kept is the first epoch's, not the last's.
    training.train(data, tmp_path / "first", dataclasses.replace(SETTINGS, epochs=1))
    for one, other in zip(weights_of(tmp_path / "run"), weights_of(tmp_path / "first"), strict=True):
        np.testing.assert_array_equal(one, other)


# What goes wrong


@pytest.mark.parametrize(
    ("videos", "says"),
    [
        ({"train": [("a", 0)], "val": both_classes("v", 1)}, "needs real and fake clips"),
        ({"train": both_classes("t", 1), "val": [("v", 1)]}, "'val' of .* 0 real and 2 fake"),
        ({"train": both_classes("t", 1)}, "no clips of split 'val'"),
    ],
)
def test_data_that_cannot_be_trained_on_are_an_error_in_words(tmp_path, videos, says):
    write_data(tmp_path / "data", videos)
    with pytest.raises(DataError, match=says):
        training.train(tmp_path / "data", tmp_path / "run", SETTINGS)
    assert not (tmp_path / "run").exists()


def test_weights_that_grow_beyond_numbers_stop_the_run_in_words(data, tmp_path):
    # Which of both shows it first depends on the processor: normalisation of oneDNN lets no NaN through to the loss.
    with pytest.raises(TrainingError, match="The (loss is|gradients are) .* epoch 1"):
        training.train(data, tmp_path, dataclasses.replace(SETTINGS, learning_rate=1e38))


@pytest.mark.parametrize("recompute", ["none", "blocks"])
def test_normalisations_are_fused_where_nothing_is_calculated_again(data, tmp_path, monkeypatch, recompute):
    changed = []
    monkeypatch.setattr(training, "with_fused_norms", lambda model: changed.append(1) or with_fused_norms(model))
    training.train(data, tmp_path, dataclasses.replace(SETTINGS, epochs=1, recompute=recompute))
    assert len(changed) == (recompute == "none")


@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError(None, None, "OOM on GPU:0"), MemoryError()])
def test_too_little_memory_is_an_error_that_says_what_to_do(data, tmp_path, monkeypatch, error):
    def gather(*_):
        raise error

    monkeypatch.setattr(training_step.TrainingStep, "gather", gather)
    with pytest.raises(TrainingError, match="--batch-size smaller, and --accumulate larger"):
        training.train(data, tmp_path, SETTINGS)


@pytest.mark.slow
def test_clips_may_be_given_instead_of_splits_and_then_need_no_validation(data, tmp_path):
    clips = list_clips(data, ["train", "val"]).labelled()
    settings = dataclasses.replace(SETTINGS, epochs=2)
    run = training.train(data, tmp_path, settings, train_clips=clips)
    assert run["data"]["splits"].keys() == {"train"}
    assert run["data"]["splits"]["train"]["num_videos"] == 14
    assert (run["result"]["best_epoch"], set(run["result"]["metrics"]) & set(MONITORS)) == (2, set())
    assert runs.load_run(tmp_path)[1] == run
    assert training.train(data, tmp_path, settings, train_clips=clips) == run
    with pytest.raises(ConfigError, match="other data"):
        training.train(data, tmp_path, settings, train_clips=clips.select(np.arange(8)))


def test_a_damaged_clip_stops_the_run_in_words(tmp_path):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 1), "val": both_classes("v", 1)})
    shard = records.shard_paths(data, "train")[0]
    # The pixels of the first crop, not its head: what TFRecord's checksum would see and a quick look would not.
    crop = next(iter(records.read_shard(shard)))
    jpeg = records.decode_clip(crop).clip.crops[0]
    shard.write_bytes(shard.read_bytes().replace(jpeg, b"\x00" * len(jpeg)))
    with pytest.raises(DataError, match="no JPEG"):
        training.train(data, tmp_path / "run", SETTINGS)


@pytest.mark.parametrize("lost", ["model.keras", "run.json"])
def test_a_run_that_lacks_a_file_is_an_error_in_words(finished, tmp_path, lost):
    for path in finished[0].iterdir():
        if path.name != lost:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises((ConfigError, DataError), match=f"There is no .*{lost}"):
        runs.load_run(tmp_path)


def test_weights_that_do_not_fit_are_an_error_in_words(finished, tmp_path):
    for path in finished[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    run = json.loads((tmp_path / "run.json").read_text())
    run["settings"]["backbone_settings"]["channels"] = [4, 16]
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(DataError, match="does not hold the weights"):
        runs.load_run(tmp_path)


# What it learns


@pytest.mark.slow
def test_it_learns_squares(data, tmp_path):
    settings = dataclasses.replace(SETTINGS, epochs=15)
    run = training.train(data, tmp_path, settings)
    assert run["result"]["metrics"]["val_video_auc"] == 1.0
    assert run["result"]["metrics"]["val_video_loss"] < 0.5


@pytest.mark.slow
def test_shuffled_labels_are_not_learned(tmp_path):
    rng = np.random.default_rng(0)
    names = [(f"s{number}", int(label)) for number, label in enumerate(rng.permutation(np.arange(40) % 2))]
    # All look real, whatever the label says.
    data = write_data(tmp_path / "data", {"train": names[:20], "val": names[20:]}, looks_of_label=False)
    run = training.train(data, tmp_path / "run", dataclasses.replace(SETTINGS, epochs=4))
    assert run["result"]["metrics"]["val_video_loss"] > 0.6


@pytest.mark.slow
def test_reals_alone_are_enough_to_train_on_self_blended_fakes(tmp_path):
    data = write_data(tmp_path / "data", {"train": [("a", 0), ("b", 0)], "val": both_classes("v", 2)})
    settings = dataclasses.replace(SETTINGS, epochs=2, balance="pairs", blended_share=1.0, recipe="none")
    run = training.train(data, tmp_path / "run", settings)
    assert run["data"]["splits"]["train"]["num_clips"] == {"real": 4, "fake": 0}
    assert run["result"]["num_epochs"] == 2
