"""A probe from shards to a run: its table against scikit-learn, its winner against the table."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from deepfake_tf import export, runs
from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.errors import ConfigError
from deepfake_tf.judging import scoring
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.predictors.saved_model import SavedModel
from deepfake_tf.probing import embeddings, probe, probe_table
from deepfake_tf.probing.probe_data import Embeddings
from deepfake_tf.probing.probe_settings import ProbeSearch
from tests.clips_of_squares import both_classes, write_data

pytestmark = pytest.mark.slow

SEARCH = ProbeSearch(
    reductions=("none", "pca:3"),
    classifiers=("lda", "svm_rbf"),
    backbone_settings={"small_cnn": {"channels": [4, 8]}},
    num_folds=2,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    videos = {"train": both_classes("t", 5), "val": both_classes("v", 3), "test": both_classes("x", 3)}
    return write_data(tmp_path_factory.mktemp("squares") / "data", videos)


@pytest.fixture(scope="module")
def probed(data, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("probe") / "run"
    told = []
    return run_dir, probe.probe(data, run_dir, SEARCH, test=True, on_progress=told.append), told


def test_the_table_has_every_cell_once(probed):
    run_dir, results, told = probed
    with (run_dir / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["reduction"], row["classifier"]) for row in rows] == [
        ("none", "lda"),
        ("none", "svm_rbf"),
        ("pca:3", "lda"),
        ("pca:3", "svm_rbf"),
    ]
    assert {row["num_features"] for row in rows} == {"8", "3"}
    assert json.loads((run_dir / "probe.json").read_text()) == results
    assert (told[-1].num_done, told[-1].num_cells) == (4, 4)
    # Bright squares are easily seen, even by a network that learned nothing.
    assert max(float(row["test_video_auc"]) for row in rows) > 0.9


def test_scores_are_those_of_the_logits(probed, data):
    run_dir, results, _ = probed
    table = Embeddings(data, SEARCH, run_dir / "embeddings")
    clips = table.clips("val")
    for cell, settings in zip(results["cells"], SEARCH.cells(), strict=True):
        logits = probe_table.read_cell(run_dir / "cells", settings).logits(table.features("small_cnn", "val"))
        assert cell["val"]["clip_auc"] == pytest.approx(roc_auc_score(clips.labels, logits))
        by_video = {one: np.mean(logits[np.array(clips.video_ids) == one]) for one in dict.fromkeys(clips.video_ids)}
        labels = [int(one[1:]) % 2 for one in by_video]
        assert cell["val"]["roc_auc"] == pytest.approx(roc_auc_score(labels, list(by_video.values())))
        low, high = cell["val"]["interval"]
        assert (low is None and cell["val"]["roc_auc"] == 1) or low <= cell["val"]["roc_auc"] <= high


def test_the_winner_is_a_run_that_gives_the_tables_logits(probed, data):
    run_dir, results, _ = probed
    winner = results["cells"][results["winner"]]
    assert winner["val"]["roc_auc"] == max(cell["val"]["roc_auc"] for cell in results["cells"])
    model, run = runs.load_run(run_dir)
    assert (run["kind"], run["settings"]) == ("probe", winner["settings"])
    clips = list_clips(data, ["test"]).labelled()
    table = Embeddings(data, SEARCH, run_dir / "embeddings")
    fitted = probe_table.read_cell(run_dir / "cells", SEARCH.cells()[results["winner"]])
    expected = fitted.logits(table.features("small_cnn", "test"))
    np.testing.assert_allclose(scoring.predict_logits(model, clips), expected, atol=1e-5)


def test_the_page_needs_nothing_beside_it(probed):
    html = (probed[0] / "probe.html").read_text()
    assert "http" not in html
    assert html.count("data:image/png;base64,") == 3
    assert "4 probes of frozen backbones" in html
    for name in ("table.png", "table-test.png", "best.png"):
        assert (probed[0] / name).read_bytes().startswith(b"\x89PNG")


def test_a_finished_probe_is_found_finished_and_more_rows_are_added(probed, data, monkeypatch):
    run_dir, results, _ = probed
    fitted = []
    fit_cell = probe_table.fit_cell
    monkeypatch.setattr(
        probe_table, "fit_cell", lambda settings, bench: fitted.append(settings) or fit_cell(settings, bench)
    )
    monkeypatch.setattr(embeddings.Embedder, "_compute", None)
    assert probe.probe(data, run_dir, SEARCH, test=True) == results
    assert not fitted
    more = dataclasses.replace(SEARCH, classifiers=("decision_tree", "lda"))
    found = probe.probe(data, run_dir, more)
    assert [one.classifier for one in fitted] == ["decision_tree", "decision_tree"]
    assert "test" not in found["cells"][0]
    assert found["cells"][1]["val"] == results["cells"][0]["val"]


def test_a_folder_of_another_probe_is_refused(probed, data):
    with pytest.raises(ConfigError, match="another seed"):
        probe.probe(data, probed[0], dataclasses.replace(SEARCH, seed=1))


def test_runs_stand_beside_the_probes(data, tmp_path):
    from deepfake_tf.learning.training import train

    settings = TrainSettings(
        head="mean", backbone_settings={"channels": [4]}, batch_size=8, epochs=1, recipe="none", learning_rate=0.01
    )
    train(data, tmp_path / "trained", settings)
    search = dataclasses.replace(SEARCH, reductions=("none",), classifiers=("lda",))
    found = probe.probe(data, tmp_path / "probe", search, compare=[tmp_path / "trained"])
    (run,) = found["runs"]
    assert run["name"] == "small_cnn + mean"
    model, _ = runs.load_run(tmp_path / "trained")
    clips = list_clips(data, ["val"]).labelled()
    assert run["val"]["clip_auc"] == pytest.approx(roc_auc_score(clips.labels, scoring.predict_logits(model, clips)))
    assert "trained run small_cnn + mean" in (tmp_path / "probe" / "probe.html").read_text()


def test_an_exported_probe_gives_what_scikit_learn_gives_by_itself(data, tmp_path):
    search = dataclasses.replace(SEARCH, reductions=("pca:3",), classifiers=("svm_rbf",))
    results = probe.probe(data, tmp_path / "run", search)
    exported = SavedModel(export.export_servable(tmp_path / "run", tmp_path / "detector"))
    table = Embeddings(data, search, tmp_path / "run" / "embeddings")
    c = results["cells"][0]["settings"]["classifier_settings"]["C"]
    chain = make_pipeline(StandardScaler(), PCA(3, svd_solver="full"), SVC(C=c, class_weight="balanced"))
    chain.fit(table.features("small_cnn", "train").astype(np.float64), table.clips("train").labels)
    clips = table.clips("test")
    read = [clips.read(row) for row in range(len(clips))]
    inputs = {"clips": np.array([jpegs for jpegs, _ in read], object), "mask": np.array([mask for _, mask in read])}
    logits = exported.run("serving_default", inputs)["logit"]
    expected = chain.decision_function(table.features("small_cnn", "test").astype(np.float64))
    np.testing.assert_allclose(logits, expected, atol=1e-5, rtol=0)
    assert np.ptp(logits) > 0.5
    exported.close()
