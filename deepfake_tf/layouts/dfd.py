"""DeepFakeDetection (Google and Jigsaw): 28 actors in several scenes, and their faces put on each other.

    01__walking_outside_cafe_disgusted.mp4                     actor 01 in a scene
    01_02__walking_outside_cafe_disgusted__YVGY8LOK.mp4        the face of actor 02 in that video

It is handed out with FaceForensics++ (original_sequences/actors, manipulated_sequences/DeepFakeDetection), whose root
may be given; the names say what is what, wherever the videos lie. It has no official splits. Since actors are swapped
with each other, nearly all of it is one group: use it to test what was trained on something else.
"""

import argparse
import dataclasses
import re
from pathlib import Path

from deepfake_tf.errors import ConfigError
from deepfake_tf.layouts import Example, video_files
from deepfake_tf.layouts.faceforensics import compression_of
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import FAKE, REAL

METHOD = "DeepFakeDetection"

_NAME = re.compile(r"(?P<target>\d{2})(?:_(?P<source>\d{2}))?__(?P<scene>.+?)(?:__(?P<code>[A-Z0-9]+))?")

EXAMPLE = Example(
    files={
        "original_sequences/actors/c23/videos/01__kitchen_pan.mp4": "a",
        "original_sequences/actors/c23/videos/02__kitchen_pan.mp4": "b",
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__kitchen_pan__YVGY8LOK.mp4": "c",
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4": "of another data set",
    }
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the layout's flags: it has none."""


def find_videos(root: Path) -> list[VideoEntry]:
    """Returns a row for each video below the root that is named like one of this data set.

    Args:
        root: of the data set, or of FaceForensics++.

    Raises:
        ConfigError: there are no such videos.
    """
    found = [entry for path in video_files(root) if (entry := _entry(path, root))]
    if not found:
        raise ConfigError(
            f"{root} has no videos of DeepFakeDetection, with names such as 01__kitchen_pan.mp4 and "
            "01_02__kitchen_pan__YVGY8LOK.mp4."
        )
    originals = {_recording(entry): entry.video_id for entry in found if entry.label == REAL}
    return [
        dataclasses.replace(entry, original_id=originals.get(_recording(entry), "")) if entry.label else entry
        for entry in found
    ]


def _entry(path: Path, root: Path) -> VideoEntry | None:
    name = _NAME.fullmatch(path.stem)
    folders = path.relative_to(root).parts[:-1]
    if not name or "masks" in folders:
        return None
    actors = tuple(f"dfd:{number}" for number in (name["target"], name["source"]) if number)
    is_fake = len(actors) == 2
    return VideoEntry(
        video_id=path.relative_to(root).as_posix(),
        path=path.absolute(),
        label=FAKE if is_fake else REAL,
        method=METHOD if is_fake else "",
        identities=actors,
        attributes={"compression": compression_of(folders), "context": name["scene"]},
    )


def _recording(entry: VideoEntry) -> tuple[str, str, str]:
    """What a fake and the video that it was made from have in common."""
    return entry.identities[0], entry.attributes["context"], entry.attributes["compression"]
