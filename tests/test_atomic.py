"""Files that appear whole, and folders that are claimed."""

import json

import pytest

from deepfake_tf import atomic
from deepfake_tf.errors import ConfigError


def test_file_appears_whole(tmp_path):
    path = tmp_path / "a.bin"
    with atomic.open_whole(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    assert [one.name for one in tmp_path.iterdir()] == ["a.bin"]


def test_nothing_stays_of_a_failed_write_and_the_old_file_does(tmp_path):
    path = tmp_path / "a.bin"
    atomic.write_whole(path, b"old")

    def write() -> None:
        with atomic.open_whole(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.bin"]


def test_two_that_make_the_same_file_do_not_write_into_each_other(tmp_path):
    path = tmp_path / "a.bin"
    with atomic.open_whole(path) as one:
        one.write(b"first")
        with atomic.open_whole(path) as other:
            other.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert [one.name for one in tmp_path.iterdir()] == ["a.bin"]


def test_remove_partial_takes_only_what_was_left_half_written(tmp_path):
    (tmp_path / ".a.bin.123.partial").write_bytes(b"x")
    (tmp_path / "b.partial").write_bytes(b"of the user")
    atomic.remove_partial(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["b.partial"]


def test_a_folder_is_claimed_once_and_for_the_same_again(tmp_path):
    atomic.claim(tmp_path / "of.json", {"b": 1, "a": [2]}, "another")
    atomic.claim(tmp_path / "of.json", {"a": [2], "b": 1}, "another")
    assert json.loads((tmp_path / "of.json").read_text()) == {"a": [2], "b": 1}
    with pytest.raises(ConfigError, match="^another$"):
        atomic.claim(tmp_path / "of.json", {"a": [3], "b": 1}, "another")
    assert json.loads((tmp_path / "of.json").read_text())["a"] == [2]
