import pytest

from deepfake_tf import versions
from deepfake_tf.errors import ConfigError


def make(base, *names):
    for name in names:
        (base / name).mkdir(parents=True)


def names(base):
    return sorted(path.name for path in base.iterdir())


def test_only_numbers_are_versions(tmp_path):
    make(tmp_path, "1", "0010", ".tmp-3-77", "3.tmp", ".retired-4", "notes")
    assert versions.version_dirs(tmp_path) == {1: tmp_path / "1", 10: tmp_path / "0010"}
    assert versions.version_dirs(tmp_path / "absent") == {}


def test_next_version_is_above_all_that_ever_were(tmp_path):
    assert versions.next_version(tmp_path) == 1
    make(tmp_path, "2", ".retired-5")
    assert versions.next_version(tmp_path) == 6


def test_activate_goes_back_and_forth(tmp_path):
    make(tmp_path, "1", "2", "3")
    assert versions.activate(tmp_path, 1) == [2, 3]
    assert names(tmp_path) == [".retired-2", ".retired-3", "1"]
    assert versions.activate(tmp_path, 2) == []
    assert names(tmp_path) == [".retired-3", "1", "2"]
    assert versions.activate(tmp_path, 2) == []


def test_activate_refuses_what_is_not_there_and_changes_nothing(tmp_path):
    make(tmp_path, "1", "3", ".retired-2")
    with pytest.raises(ConfigError, match=r"no version 7. It has: 1, 2, 3"):
        versions.activate(tmp_path, 7)
    assert names(tmp_path) == [".retired-2", "1", "3"]
