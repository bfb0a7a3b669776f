"""Evaluation of a model whose answers are known, against arithmetic on the tables it wrote."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import sklearn.metrics

from deepfake_tf.degrading import robustness
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.judging import decision
from deepfake_tf.judging.decision import Decision
from deepfake_tf.learning import training
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.reporting import evaluation
from deepfake_tf.schema import Calibration
from tests.clips_of_squares import SPEC, both_classes, write_data

SETTINGS = TrainSettings(
    head="mean", backbone_settings={"channels": [4, 8]}, batch_size=4, learning_rate=0.01, epochs=2, recipe="none"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(
        tmp_path_factory.mktemp("squares") / "data",
        {
            "train": both_classes("t", 3),
            "val": both_classes("v", 2),
            "test": [*both_classes("x", 4), ("lost", 1), ("unlabelled", None)],
        },
        refused=("lost",),
    )


@pytest.fixture(scope="module")
def run_dir(data, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run") / "run"
    training.train(data, run_dir, SETTINGS)
    return run_dir


@pytest.fixture(scope="module")
def evaluated(data, run_dir):
    seen = []
    report = evaluation.evaluate(
        run_dir, data, "test", run_dir / "evaluation-test", on_progress=lambda *at: seen.append(at)
    )
    assert seen[-1] == (1, 1)
    return run_dir / "evaluation-test", report


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_clips_carry_what_the_manifest_says(evaluated):
    rows = rows_of(evaluated[0] / "clip_scores.csv")
    assert len(rows) == 16
    by_id = {row["example_id"]: row for row in rows}
    row = by_id["x3/0/1"]
    assert (row["video_id"], row["track_id"], row["group"], row["label"]) == ("x3", "0", "group-x3", "fake")
    assert (row["method"], row["context"]) == ("square", "indoors")
    assert float(row["score"]) == pytest.approx(1 / (1 + np.exp(-float(row["logit"]))))


def test_videos_join_their_clips_and_the_refused_stand_beside_them(evaluated):
    clips, videos = (rows_of(evaluated[0] / name) for name in ("clip_scores.csv", "video_scores.csv"))
    judged = [row for row in videos if row["outcome"] == "OK"]
    assert [row["video_id"] for row in videos if row["outcome"] != "OK"] == ["lost"]
    assert videos[-1] | {"outcome": "NO_FACE", "reason": "no face was found", "score": ""} == videos[-1]
    for row in judged:
        own = [float(clip["logit"]) for clip in clips if clip["video_id"] == row["video_id"]]
        assert float(row["logit"]) == pytest.approx(np.mean(own))
        assert int(row["num_clips"]) == len(own) == 2


@pytest.mark.parametrize(("level", "table"), [("clips", "clip_scores.csv"), ("videos", "video_scores.csv")])
def test_metrics_are_those_of_the_tables(evaluated, level, table):
    out_dir, report = evaluated
    rows = [row for row in rows_of(out_dir / table) if row["score"]]
    labels = np.array([row["label"] == "fake" for row in rows]).astype(int)
    scores = np.array([float(row["score"]) for row in rows])
    found = report[level]["metrics"]
    assert found["roc_auc"] == pytest.approx(sklearn.metrics.roc_auc_score(labels, scores))
    assert found["log_loss"] == pytest.approx(sklearn.metrics.log_loss(labels, scores))
    assert found["accuracy"] == pytest.approx(np.mean((scores >= 0.5) == labels))
    assert report[level]["confusion"] == sklearn.metrics.confusion_matrix(labels, scores >= 0.5).tolist()
    low, high = report[level]["intervals"]["roc_auc"]
    if found["roc_auc"] == 1:
        # It is 1 in every draw as well, which says nothing of other videos.
        assert (low, high) == (None, None)
    else:
        assert low <= found["roc_auc"] <= high
    low, high = report[level]["intervals"]["log_loss"]
    assert low < found["log_loss"] < high


def test_coverage_counts_the_labelled_videos_of_the_split(evaluated):
    assert evaluated[1]["coverage"] == {
        "num_videos": 9,
        "num_judged": 8,
        "share_judged": pytest.approx(8 / 9),
        "num_inconclusive": 0,
        "refused": {"NO_FACE": 1},
    }


def test_the_report_is_written_whole(evaluated):
    out_dir, report = evaluated
    assert json.loads((out_dir / "report.json").read_text()) == report
    html = (out_dir / "report.html").read_text()
    assert "small_cnn + mean" in html
    assert "1 of 9 could not be judged" in html
    # Nothing is asked for from elsewhere.
    assert "http" not in html
    assert "src=" not in html.replace('src="data:image/jpeg;base64,', "")


def test_robustness_is_taken_up_when_it_lies_beside_the_run(data, run_dir, evaluated, tmp_path):
    run = json.loads((run_dir / "run.json").read_text())
    point = {"num_judged": 8, "roc_auc": 0.5, "roc_auc_interval": [0.4, 0.6], "change": -0.1}
    point |= {"change_interval": [-0.2, -0.05], "mean_score_real": 0.4, "mean_score_fake": 0.6}
    measured = {
        **{"format_version": robustness.ROBUSTNESS_VERSION, "run": robustness.run_fingerprint(run)},
        **{"data": {"split": "test"}, "num_real": 4, "num_fake": 4, "num_groups": 8, "max_videos": None},
        **{"threshold": 0.5, "clean": point},
        "curves": [
            {
                **{"name": "jpeg", "title": "JPEG", "unit": "quality", "level": "clip"},
                **{"labels": ["clean", "10"], "points": {"10": point}},
            }
        ],
    }
    (tmp_path / "robustness.json").write_text(json.dumps(measured))
    # The evaluation is finished: only its page is written again.
    evaluation.take_up_robustness(*evaluated, tmp_path)
    assert "More than chance costs: JPEG" in (evaluated[0] / "report.html").read_text()
    assert robustness.find(run_dir, run, "test") is None
    (run_dir / "robustness-test").mkdir()
    (tmp_path / "robustness.json").rename(run_dir / "robustness-test" / "robustness.json")
    assert robustness.find(run_dir, run, "test") == measured
    with pytest.raises(ConfigError, match="another run or split"):
        robustness.find(run_dir, run, "val", given=run_dir / "robustness-test")


def test_a_finished_evaluation_is_found_finished(data, run_dir, evaluated, monkeypatch):
    monkeypatch.setattr(evaluation.scoring, "predict_logits", None)
    assert evaluation.evaluate(run_dir, data, "test", evaluated[0]) == evaluated[1]


def test_another_evaluation_is_not_overwritten(data, run_dir, evaluated):
    with pytest.raises(ConfigError, match="another evaluation"):
        evaluation.evaluate(run_dir, data, "val", evaluated[0])


def test_one_class_is_reported_without_what_is_not_defined(run_dir, tmp_path):
    data = write_data(tmp_path / "data", {"test": [("a", 0), ("b", 0)]})
    report = evaluation.evaluate(run_dir, data, "test", tmp_path / "out")
    assert report["videos"]["metrics"]["roc_auc"] is None
    assert report["videos"]["intervals"]["roc_auc"] == [None, None]
    assert report["videos"]["notes"]["roc_auc"] == "needs reals and fakes; there is one class only"
    assert report["videos"]["roc"] == {"fpr": [], "tpr": [], "thresholds": []}
    assert "one class only" in (tmp_path / "out" / "report.html").read_text()


def test_a_split_without_labels_is_an_error_in_words(run_dir, tmp_path):
    data = write_data(tmp_path / "data", {"test": [("a", None)]})
    with pytest.raises(DataError, match="no labelled clips"):
        evaluation.evaluate(run_dir, data, "test", tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"margin": 0.5}, True),
        ({"num_frames": 3}, True),
        # The model's four frames are taken out of the middle.
        ({"num_frames": 6}, False),
        ({"clips_per_video": 9, "max_tracks": 1}, False),
    ],
)
def test_clips_made_in_another_way_are_refused(run_dir, tmp_path, change, refused):
    data = write_data(tmp_path / "data", {"test": both_classes("x", 1)}, spec=dataclasses.replace(SPEC, **change))
    if refused:
        with pytest.raises(ConfigError, match=f"{next(iter(change))} .* instead of"):
            evaluation.evaluate(run_dir, data, "test", tmp_path / "out")
    else:
        assert evaluation.evaluate(run_dir, data, "test", tmp_path / "out")["coverage"]["num_judged"] == 2


def test_a_method_is_held_against_all_reals_and_a_column_of_all_against_its_own(evaluated):
    by = evaluated[1]["by"]
    (square,) = by["method"]
    assert (square["value"], square["against"]) == ("square", "all reals")
    assert (square["num_real"], square["num_fake"]) == (4, 4)
    # The fake that gave no clips counts against the method's coverage.
    assert square["coverage"] | {"num_videos": 5, "num_judged": 4, "refused": {"NO_FACE": 1}} == square["coverage"]
    # One context says nothing by itself.
    assert "context" not in by


def test_a_column_is_measured_on_request(data, run_dir, tmp_path):
    report = evaluation.evaluate(run_dir, data, "test", tmp_path / "out", by=["context"])
    (indoors,) = report["by"]["context"]
    assert (indoors["value"], indoors["against"], indoors["num_real"], indoors["num_fake"]) == ("indoors", "own", 4, 4)
    assert indoors["metrics"] == report["videos"]["metrics"]
    with pytest.raises(ConfigError, match="no column 'light'. It has: method, .*context"):
        evaluation.evaluate(run_dir, data, "test", tmp_path / "other", by=["light"])


def test_the_command_makes_the_report_again(data, run_dir, evaluated):
    command = evaluated[1]["command"].split()
    assert command[:5] == ["python", "-m", "pipelines.evaluate", str(run_dir), str(data)]
    assert command[5:] == ["--split", "test", "--out", str(evaluated[0])]


def test_a_report_of_an_older_format_is_refused_with_advice(data, run_dir, evaluated, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps({**evaluated[1], "format_version": 1}))
    with pytest.raises(ConfigError, match="version 1; this program writes version 2. Delete the folder"):
        evaluation.evaluate(run_dir, data, "test", tmp_path)


@pytest.fixture(scope="module")
def calibrated(data, run_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    shutil.copytree(run_dir, folder)
    chosen = Decision("max_track", Calibration(0.5, 0.25), threshold=0.55, band=0.02)
    decision.write(folder, json.loads((folder / "run.json").read_text()), chosen, {"goal": "a test"})
    return chosen, evaluation.evaluate(folder, data, "test", folder / "calibrated"), folder


def test_answers_are_made_as_the_runs_calibration_says(evaluated, calibrated):
    chosen, report, folder = calibrated
    assert report["decision"] == {**chosen.to_json(), "chosen_on": {"goal": "a test"}}
    before, after = (rows_of(out / "video_scores.csv") for out in (evaluated[0], folder / "calibrated"))
    clips = rows_of(folder / "calibrated" / "clip_scores.csv")
    tracks = rows_of(folder / "calibrated" / "track_scores.csv")
    for old, new in zip(before, after, strict=True):
        if new["outcome"] != "OK":
            assert (new["score"], new["verdict"]) == ("", "")
            continue
        # One face a video: its track's logit, the mean of its clips, is the video's.
        assert float(new["logit"]) == pytest.approx(float(old["logit"]))
        score = 1 / (1 + np.exp(-(0.5 * float(new["logit"]) + 0.25)))
        assert float(new["score"]) == pytest.approx(score)
        word = "INCONCLUSIVE" if abs(score - 0.55) < 0.02 else "FAKE" if score >= 0.55 else "REAL"
        assert new["verdict"] == word
        (track,) = [row for row in tracks if row["video_id"] == new["video_id"]]
        assert (track["score"], track["num_clips"]) == (new["score"], "2")
    assert float(clips[0]["score"]) == pytest.approx(1 / (1 + np.exp(-(0.5 * float(clips[0]["logit"]) + 0.25))))


def test_calibration_leaves_the_auc_exactly(evaluated, calibrated):
    for level in ("clips", "tracks", "videos"):
        assert calibrated[1][level]["metrics"]["roc_auc"] == evaluated[1][level]["metrics"]["roc_auc"]
        assert calibrated[1][level]["threshold"] == 0.55


def test_an_evaluation_from_before_calibration_is_not_taken_for_one_after(data, calibrated, tmp_path):
    _, report, folder = calibrated
    old = {**report, "decision": {**report["decision"], "threshold": 0.5}}
    (tmp_path / "report.json").write_text(json.dumps(old))
    with pytest.raises(ConfigError, match="before the run was calibrated"):
        evaluation.evaluate(folder, data, "test", tmp_path)
