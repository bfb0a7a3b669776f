"""Cross-validation: who is scored by whom, what is chosen on what, and how it goes on."""

import csv
import dataclasses
import json
import os
import signal

import keras
import numpy as np
import pytest
import sklearn.metrics

from deepfake_tf import runs
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.judging import scoring
from deepfake_tf.learning import training
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.searching import crossval
from deepfake_tf.searching.crossval import FoldSettings
from tests import warm_processes
from tests.clips_of_squares import both_classes, write_data

SETTINGS = TrainSettings(epochs=4, patience=2, seed=3, batch_size=4)
FOLDS = FoldSettings(num_folds=3, val_share=0.3)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    videos = {"train": both_classes("t", 5), "val": both_classes("v", 2), "test": both_classes("x", 2)}
    return write_data(tmp_path_factory.mktemp("squares") / "data", videos)


@pytest.fixture
def trainings(monkeypatch):
    """Trainings that take no time; a logit follows from the name of the clip. Returns what each was given."""
    seen = []

    def train(data_dir, run_dir, settings, *, train_clips, val_clips, on_progress):
        seen.append((run_dir.name, settings, train_clips, val_clips))
        run_dir.mkdir(parents=True, exist_ok=True)
        best = {"0": 1, "1": 4, "2": 2}.get(run_dir.name, settings.epochs)
        return {"result": {"num_epochs": settings.epochs, "best_epoch": best, "monitor": "val_loss", "metrics": {}}}

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(runs, "load_run", lambda path: (path.name, {}))
    monkeypatch.setattr(
        scoring, "predict_logits", lambda model, clips: np.array([logit_of(one) for one in clips.example_ids])
    )
    monkeypatch.setattr(keras.backend, "clear_session", lambda: None)
    return seen


def logit_of(example_id):
    return np.random.default_rng(list(example_id.encode())).normal()


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_no_group_is_on_two_sides_and_the_test_split_is_on_none(data, tmp_path, trainings):
    crossval.cross_validate(data, tmp_path, SETTINGS, folds=FOLDS)
    fold_of = json.loads((tmp_path / "folds.json").read_text())["videos"]
    assert sorted(fold_of) == sorted(name for name, _ in [*both_classes("t", 5), *both_classes("v", 2)])
    assert set(fold_of.values()) == {0, 1, 2}
    for number, (name, _, train, val) in enumerate(trainings[:3]):
        assert name == str(number)
        held_out = {f"group-{video}" for video, fold in fold_of.items() if fold == number}
        sides = [set(train.groups), set(val.groups), held_out]
        assert sum(len(side) for side in sides) == len(set.union(*sides)) == 14
        assert all(train.label_counts().values())
        assert all(val.label_counts().values())


def test_nobody_is_on_two_sides_by_a_face_that_a_fake_wears(tmp_path, trainings):
    videos = both_classes("t", 9)
    # Every second fake wears the face of the next real, the others their own.
    worn = {f"t{number}": f"group-t{(number + 1) % 18}" for number in range(1, 18, 4)}
    data = write_data(tmp_path / "data", {"train": videos}, worn=worn)
    result = crossval.cross_validate(data, tmp_path / "out", SETTINGS, folds=FOLDS)
    fold_of = json.loads((tmp_path / "out" / "folds.json").read_text())["videos"]
    scored = {row["video_id"]: int(row["fold"]) for row in rows_of(tmp_path / "out" / "oof_scores.csv")}
    stayed = {one for one in fold_of if one not in worn or fold_of[one] == fold_of[worn[one].removeprefix("group-")]}
    assert scored == {one: fold_of[one] for one in stayed}
    assert set(worn) - stayed
    for number, (_, _, train, val) in enumerate(trainings[:3]):
        held_out = {f"group-{one}" for one, fold in fold_of.items() if fold == number}
        for one, other in ((train, val), (val, train)):
            assert not set(one.face_groups) & (held_out | set(other.groups))
        there = {*train.video_ids, *val.video_ids, *(one for one, fold in scored.items() if fold == number)}
        assert result["folds"][number]["num_left_out"] == 18 - len(there) > 0
    assert "Left out of what each fold" in (tmp_path / "out" / "crossval.html").read_text()


def test_the_final_model_is_trained_on_all_for_the_middle_number_of_epochs(data, tmp_path, trainings):
    result = crossval.cross_validate(data, tmp_path, SETTINGS, folds=FOLDS)
    name, settings, train, val = trainings[3]
    assert (name, val) == ("final", None)
    assert settings == dataclasses.replace(SETTINGS, epochs=2, patience=0)
    assert len(set(train.video_ids)) == 14
    assert result["final"] == {"path": "final", "num_epochs": 2}


def test_every_video_and_clip_is_scored_once_out_of_its_fold(data, tmp_path, trainings):
    result = crossval.cross_validate(data, tmp_path, SETTINGS, folds=FOLDS)
    fold_of = json.loads((tmp_path / "folds.json").read_text())["videos"]
    clips, videos = rows_of(tmp_path / "oof_clip_scores.csv"), rows_of(tmp_path / "oof_scores.csv")
    assert len({row["example_id"] for row in clips}) == len(clips) == 28
    assert {row["video_id"]: int(row["fold"]) for row in videos} == fold_of
    assert len(videos) == 14
    for row in clips:
        assert float(row["logit"]) == logit_of(row["example_id"])
    for row in videos:
        own = [float(one["logit"]) for one in clips if one["video_id"] == row["video_id"]]
        assert float(row["logit"]) == pytest.approx(np.mean(own))
    # The truth about the figures: scikit-learn, and arithmetic.
    labels = [row["label"] == "fake" for row in videos]
    auc = sklearn.metrics.roc_auc_score(labels, [float(row["logit"]) for row in videos])
    assert result["pooled"]["videos"]["metrics"]["roc_auc"] == pytest.approx(auc)
    by_fold = []
    for number in range(3):
        own = [row for row in videos if int(row["fold"]) == number]
        by_fold.append(
            sklearn.metrics.roc_auc_score([row["label"] == "fake" for row in own], [float(row["logit"]) for row in own])
        )
    assert [row["metrics"]["roc_auc"] for row in result["folds"]] == pytest.approx(by_fold)
    assert result["over_folds"]["roc_auc"]["mean"] == pytest.approx(np.mean(by_fold))
    assert result["over_folds"]["roc_auc"]["spread"] == pytest.approx(np.std(by_fold, ddof=1))
    low, high = result["pooled"]["videos"]["intervals"]["roc_auc"]
    assert low <= auc <= high
    page = (tmp_path / "crossval.html").read_text()
    assert f"AUC {auc:.3f} over all videos" in page
    assert "<svg" in page


def test_matched_pairs_stand_apart(tmp_path, trainings):
    videos = [*both_classes("p", 6), *both_classes("a", 6)]
    pairs = {f"p{number}": f"pair-{number // 2}" for number in range(12)}
    data = write_data(tmp_path / "data", {"train": videos}, groups=pairs)
    result = crossval.cross_validate(data, tmp_path / "out", SETTINGS, folds=FOLDS)
    rows = rows_of(tmp_path / "out" / "oof_scores.csv")
    assert {row["video_id"] for row in rows if row["pair"] == "matched"} == set(pairs)
    for part in result["pooled"]["by"]["pair"]:
        own = [row for row in rows if row["pair"] == part["value"]]
        labels, logits = [row["label"] == "fake" for row in own], [float(row["logit"]) for row in own]
        assert part["metrics"]["roc_auc"] == pytest.approx(sklearn.metrics.roc_auc_score(labels, logits))
        assert (part["num_real"], part["num_fake"]) == (6, 6)
        assert part["intervals"]["roc_auc"][0] is not None
    page = (tmp_path / "out" / "crossval.html").read_text()
    assert "by pair" in page


def test_a_stopped_one_goes_on_and_gives_the_same(data, tmp_path, trainings, monkeypatch):
    whole = crossval.cross_validate(data, tmp_path / "whole", SETTINGS, folds=FOLDS)
    predict = scoring.predict_logits
    asked = []

    def stop_at_second(model, clips):
        asked.append(model)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return predict(model, clips)

    monkeypatch.setattr(scoring, "predict_logits", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        crossval.cross_validate(data, tmp_path / "stopped", SETTINGS, folds=FOLDS)
    assert crossval.cross_validate(data, tmp_path / "stopped", SETTINGS, folds=FOLDS) == whole
    assert asked == ["0", "1", "1", "2"]
    for name in ("oof_scores.csv", "oof_clip_scores.csv", "folds.json", "crossval.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_one_is_found_finished_and_another_is_refused(data, tmp_path, trainings):
    result = crossval.cross_validate(data, tmp_path, SETTINGS, folds=FOLDS)
    assert crossval.cross_validate(data, tmp_path, SETTINGS, folds=FOLDS) == result
    assert len(trainings) == 4
    other = dataclasses.replace(FOLDS, seed=1)
    with pytest.raises(ConfigError, match="another finished cross-validation"):
        crossval.cross_validate(data, tmp_path, SETTINGS, folds=other)
    (tmp_path / "crossval.json").unlink()
    with pytest.raises(ConfigError, match="unfinished cross-validation with other folds"):
        crossval.cross_validate(data, tmp_path, SETTINGS, folds=other)


@pytest.mark.parametrize("wrong", [{"num_folds": 1}, {"num_folds": 2.5}, {"val_share": 0.0}, {"val_share": 1.0}])
def test_wrong_folds_are_refused(wrong):
    with pytest.raises(ConfigError):
        FoldSettings(**wrong)


def test_too_few_groups_are_said_before_the_first_training(data, tmp_path, trainings):
    with pytest.raises(ConfigError, match="number of groups, 14. Received: 15"):
        crossval.cross_validate(data, tmp_path / "a", SETTINGS, folds=FoldSettings(num_folds=15))
    small = write_data(tmp_path / "data", {"train": both_classes("t", 2)})
    with pytest.raises(DataError, match="Outside fold 0 of 2, the part for val needs real and fake clips"):
        crossval.cross_validate(small, tmp_path / "b", SETTINGS, folds=FoldSettings(num_folds=2))
    assert not trainings


def validate_until_killed(data, run_dir, settings, folds):
    def kill(at):
        if at.fold == 1 and at.training and (at.training.epoch, at.training.step) == (2, 2):
            os.kill(os.getpid(), signal.SIGKILL)

    crossval.cross_validate(data, run_dir, settings, folds=folds, on_progress=kill)


@pytest.mark.slow
def test_a_real_one_that_is_killed_ends_as_one_that_is_not_in_a_run_that_can_be_used(data, tmp_path):
    settings = TrainSettings(
        **{"backbone_settings": {"channels": [4]}, "head": "mean", "epochs": 3, "batch_size": 4},
        **{"learning_rate": 0.01, "recipe": "none", "deterministic": True},
    )
    folds = FoldSettings(num_folds=2, val_share=0.3)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    # It trains while this process trains too.
    process = warm_processes.start(validate_until_killed, data, killed, settings, folds)
    result = crossval.cross_validate(data, whole, settings, folds=folds)
    process.join(200)
    assert process.exitcode == -signal.SIGKILL
    assert (killed / "folds" / "1" / "state.npz").is_file()
    assert crossval.cross_validate(data, killed, settings, folds=folds)["pooled"] == result["pooled"]
    for name in ("folds.json", "oof_scores.csv", "oof_clip_scores.csv", "final/history.csv"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    (model, run), (other, _) = (runs.load_run(path / "final") for path in (whole, killed))
    for one, same in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)
    assert model.output_shape == (None,)
    assert run["result"]["num_epochs"] == result["final"]["num_epochs"]
    assert run["data"]["splits"]["train"]["num_videos"] == 14
    # The bright square of a fake is hard to miss.
    assert result["pooled"]["videos"]["metrics"]["roc_auc"] > 0.8
