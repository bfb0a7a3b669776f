"""The cross-dataset matrix of probes, on a data set whose fakes can be told and one whose fakes cannot."""

import dataclasses
import json

import pytest

from deepfake_tf import manifest
from deepfake_tf.errors import ConfigError, LeakError
from deepfake_tf.probing import probe_matrix
from deepfake_tf.probing.probe_settings import ProbeSearch
from tests.clips_of_squares import SPEC, both_classes, write_data

pytestmark = pytest.mark.slow

SEARCH = ProbeSearch(
    reductions=("none",), classifiers=("lda",), backbone_settings={"small_cnn": {"channels": [4, 8]}}, num_folds=2
)


def change_entries(data, change):
    path = data / "manifest.csv"
    entries = [dataclasses.replace(entry, **change(entry)) for entry in manifest.read_manifest(path)]
    manifest.write_manifest(entries, path)
    return data


def videos(prefix, num_each=3):
    return {split: both_classes(f"{prefix}{split}", num_each) for split in ("train", "val", "test")}


def test_rows_are_trained_on_and_columns_tested_on(tmp_path):
    plain = change_entries(write_data(tmp_path / "plain", videos("a")), lambda entry: {"dataset": "squares"})
    blank = write_data(tmp_path / "blank", videos("b"), looks_of_label=False, seed=1)
    change_entries(blank, lambda entry: {"dataset": "nothing"})
    told = []
    found = probe_matrix.cross([plain, blank], tmp_path / "out", SEARCH, on_progress=told.append)
    auc = {row["name"]: {name: one["roc_auc"] for name, one in row["tests"].items()} for row in found["rows"]}
    assert list(auc) == ["squares", "nothing", "all together"]
    # What can be seen is learned from the one alone, and cannot be seen in the other.
    assert auc["squares"]["squares"] == 1.0
    assert auc["all together"]["squares"] > 0.9
    assert auc["squares"]["nothing"] < 1.0
    assert (told[-1].num_done, told[-1].num_cells) == (3, 3)
    lines = (tmp_path / "out" / "matrix.csv").read_text().splitlines()
    assert len(lines) == 1 + 6
    assert (tmp_path / "out" / "matrix.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "out" / "matrix.json").read_text()) == found
    assert probe_matrix.cross([plain, blank], tmp_path / "out", SEARCH) == found


def test_a_set_of_one_class_is_a_column_without_a_row_or_a_number(tmp_path):
    data = write_data(
        tmp_path / "data",
        {split: both_classes(split, 2) + [(f"{split}-r", 0), (f"{split}-s", 0)] for split in ("train", "val", "test")},
    )
    change_entries(data, lambda entry: {"dataset": "reals" if "-" in entry.video_id else "both"})
    found = probe_matrix.cross([data], tmp_path / "out", SEARCH)
    assert [row["name"] for row in found["rows"]] == ["both"]
    assert found["rows"][0]["tests"]["reals"] is None
    assert found["rows"][0]["tests"]["both"]["roc_auc"] is not None


def test_one_data_set_is_no_matrix(tmp_path):
    data = write_data(tmp_path / "data", videos("a", 1))
    with pytest.raises(ConfigError, match="two data sets"):
        probe_matrix.cross([data], tmp_path / "out", SEARCH)


def test_folders_of_other_clips_or_of_the_same_videos_are_refused(tmp_path):
    first = change_entries(write_data(tmp_path / "a", videos("a", 1)), lambda entry: {"sha256": entry.video_id})
    wider = write_data(tmp_path / "b", videos("b", 1), spec=dataclasses.replace(SPEC, margin=0.5))
    with pytest.raises(ConfigError, match="margin 0.5 instead of 0.3"):
        probe_matrix.cross([first, wider], tmp_path / "out", SEARCH)
    leak = change_entries(
        write_data(tmp_path / "c", videos("c", 1)),
        lambda entry: {"sha256": "atrain0" if entry.video_id == "ctest0" else entry.video_id},
    )
    with pytest.raises(LeakError, match="ctest0 is tested on in .* the same file is atrain0"):
        probe_matrix.cross([first, leak], tmp_path / "out", SEARCH)
