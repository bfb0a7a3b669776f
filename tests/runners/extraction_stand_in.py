"""Extraction without videos: a file's first word is its outcome, and its clips follow from its bytes alone."""

import hashlib
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from deepfake_tf.errors import AssetError
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import Clip, ClipSpec, Outcome

SPEC = ClipSpec(num_frames=2, clips_per_video=2)


def warm_up(spec: ClipSpec) -> None:
    """Would load the face detector."""


def extract_bounded(
    pool: object, path: Path, spec: ClipSpec, *, limits: object, original: Path | None = None
) -> SimpleNamespace:
    word, *rest = path.read_text().split()
    time.sleep(float(rest[0]) if rest else 0)
    if word == "NO_WEIGHTS":
        raise AssetError("The weights are not there.")
    outcome = Outcome(word)
    found = [make_clip(path, number) for number in range(spec.clips_per_video)] if outcome == Outcome.OK else []
    info = SimpleNamespace(fps=25.0, width=640, height=360)
    return SimpleNamespace(outcome=outcome, reason=f"it is\n {word}", clips=tuple(found), video=info)


def make_clip(path: Path, number: int) -> Clip:
    seed = hashlib.sha256(f"{path.name}/{number}".encode()).digest()
    rng = np.random.default_rng(list(seed))
    return Clip(
        clip_id=f"0/{number}",
        track_id=0,
        crops=(rng.bytes(300), rng.bytes(200)),
        mask=np.array([True, True]),
        timestamps_us=np.arange(2),
        frame_indices=np.arange(2),
        boxes_xyxy_px=rng.random((2, 4), np.float32),
        keypoints_crop_px=rng.random((2, 6, 2), np.float32),
        confidences=rng.random(2, np.float32),
        sharpness=rng.random(2, np.float32),
    )


def make_videos(folder: Path, words: dict[str, str]) -> list[VideoEntry]:
    """Writes the files; every third is for validation, and a name that begins with u has neither label nor split."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, (name, word) in enumerate(words.items()):
        path = folder / f"{name}.mp4"
        path.write_text(word)
        is_labelled = not name.startswith("u")
        entries.append(
            VideoEntry(
                video_id=f"set/{name}",
                path=path,
                label=number % 2 if is_labelled else None,
                split=("val" if number % 3 == 0 else "train") if is_labelled else "",
                group=name,
            )
        )
    return entries
