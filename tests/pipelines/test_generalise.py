"""The command says what came of it, and what is wrong in one line."""

import json

import pytest

from deepfake_tf import command, manifest
from deepfake_tf.generalising import generalise
from deepfake_tf.manifest import VideoEntry
from pipelines import generalise as stage
from tests.benchmarks.generalisation import MEASURED


@pytest.fixture
def videos(tmp_path):
    entries = [VideoEntry(name, tmp_path / name, label=label, group=group) for name, label, group in ENTRIES]
    manifest.write_manifest(entries, tmp_path / "manifest.csv")
    return tmp_path / "manifest.csv"


ENTRIES = [("a", 0, "x"), ("b", 1, "x"), ("c", 0, "y"), ("d", 0, "z"), ("e", 1, "z"), ("f", 0, "w")]


def test_what_came_of_it_is_told(videos, tmp_path, capsys, monkeypatch):
    # The first runs chose otherwise, and others were asked after they had been silenced.
    every = [json.loads(path.read_text()) for path in sorted(MEASURED.glob("*.json"))]
    measured = [one for one in every if "matched" in one["folds"]["calibration"]][-1]
    given = []

    def measure(*arguments):
        given.extend(arguments)
        return {**measured, "servable": str(tmp_path / "detector" / "3")}

    monkeypatch.setattr(generalise, "generalise", measure)
    flags = ["--photographs", str(tmp_path), "--hours", "0.5", "--try", "ema", "wide", "--seed", "4"]
    flags += ["--backbone", "efficientnet_b0", "--weights", "imagenet", "--group-regex", "^([^/]+)/"]
    assert stage.main([str(videos), "--out", str(tmp_path / "detector"), *flags]) == command.DONE
    out = capsys.readouterr().out
    matched = measured["folds"]["matched"]
    assert f"Matched pairs, out of fold: video AUC {matched['auc']:.3f}" in out
    assert f"python -m pipelines.predict {tmp_path / 'detector'} VIDEO" in out
    entries, _, work, _, wanted, _ = given
    assert [one.split for one in entries] == ["test", "test", "train", "test", "test", "train"]
    assert work == tmp_path / "detector.work"
    assert (wanted.hours, wanted.ingredients, wanted.seed) == (0.5, ("ema", "wide"), 4)
    assert wanted.recipe.train.backbone_settings == {"weights": "imagenet"}
    assert wanted.group_regex == "^([^/]+)/"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--weights", "imagenet"], "Name it as well"),
        (["--try", "salt"], "There is no ingredient 'salt'"),
        (["--hours", "0"], "hours must be above 0"),
    ],
)
def test_wrong_use_is_one_line(videos, tmp_path, capsys, flags, says):
    asked = [str(videos), "--photographs", str(tmp_path), "--out", str(tmp_path / "detector"), *flags]
    assert stage.main(asked) == command.WRONG_USE
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
