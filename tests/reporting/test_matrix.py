"""The matrix of runs and data sets, with evaluations whose numbers are made for it."""

import csv
import json

import cv2
import numpy as np
import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import RUN_VERSION, TrainSettings
from deepfake_tf.reporting import matrix
from tests.clips_of_squares import both_classes, write_data


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two data sets, and two runs that say that they learned from the first and from the second."""
    folder = tmp_path_factory.mktemp("matrix")
    data = [write_data(folder / name, {"test": both_classes(name, 2)}, seed=seed) for seed, name in enumerate("ab")]
    runs = []
    for number, one in enumerate(data):
        run = folder / f"run{number}"
        run.mkdir()
        fingerprint = matrix.read_index(one).fingerprint()
        values = {
            "format_version": RUN_VERSION,
            "settings": TrainSettings().to_json(),
            "data": {"fingerprint": fingerprint},
        }
        (run / "run.json").write_text(json.dumps(values))
        runs.append(run)
    return runs, data


def evaluate(run_dir, data_dir, split, out_dir, *, on_progress=None):
    if (run_dir.name, data_dir.name) == ("run1", "a"):
        raise ConfigError("The clips were made in another way.")
    auc = {"run0a": 0.95, "run0b": 0.7, "run1b": 0.9}[run_dir.name + data_dir.name]
    videos = {
        "metrics": {"roc_auc": auc, "accuracy": 0.8, "ece": 0.1},
        "intervals": {"roc_auc": [auc - 0.05, auc + 0.04]},
        "notes": {},
        "num_real": 2,
        "num_fake": 2,
        "num_groups": 4,
    }
    on_progress(1, 1)
    return {"videos": videos, "coverage": {"share_judged": 1.0}}


@pytest.fixture
def found(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(matrix, "evaluate", evaluate)
    seen = []
    found = matrix.evaluate_all(*folders, tmp_path, on_progress=lambda *at: seen.append(at))
    assert seen == [("run0", "a", 1, 1), ("run0", "b", 1, 1), ("run1", "b", 1, 1)]
    return found


def test_every_run_meets_every_data_set(found, tmp_path):
    cells = {(one["run"], one["data"]): one for one in found["cells"]}
    assert cells["run0", "a"]["auc"] == 0.95
    assert [cells[place]["trained_on"] for place in cells] == [True, False, False, True]
    assert cells["run1", "a"] | {"auc": None, "reason": "The clips were made in another way."} == cells["run1", "a"]
    # The mean leaves out what the run was trained on, and what it could not judge.
    assert found["elsewhere"] == {"run0": 0.7, "run1": None}
    assert json.loads((tmp_path / "matrix.json").read_text()) == found
    with (tmp_path / "matrix.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["data"], row["auc"], row["low"]) for row in rows][0] == (
        "run0",
        "a",
        "0.95",
        "0.8999999999999999",
    )


def test_the_heat_map_is_darker_where_the_auc_is_higher(found, tmp_path):
    picture = cv2.imdecode(np.frombuffer((tmp_path / "matrix.png").read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture.shape[1] > 400
    assert picture.min() < 80


def test_folders_of_one_name_are_told_apart_by_those_above(tmp_path):
    paths = [tmp_path / "x" / "run", tmp_path / "y" / "run"]
    assert list(matrix._names(paths)) == ["x-run", "y-run"]
    with pytest.raises(ConfigError, match="given twice"):
        matrix._names([paths[0], paths[0]])
