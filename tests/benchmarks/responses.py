"""What a model looks for: how its logit answers to a change of real faces.

    python -m tests.benchmarks.responses CLIPS RUN --name NAME

CLIPS is a folder `clips-<spec>` of pipelines.generalise, whose real videos without a fake of their own are asked about.
Each crop is changed as a whole, in the face alone, and around it alone; shown is the mean change of the logit, in
deviations of the unchanged crops' logits. A model that knows seams answers to both parts and little to the whole. The
figures are saved as deepfake_tf/generalising/measured/responses/NAME.json, for tests.benchmarks.generalisation.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic, face_regions
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.generalising.material import Material
from deepfake_tf.runs import load_run
from deepfake_tf.schema import REAL
from tests.benchmarks.generalisation import RESPONSES
from tests.benchmarks.traces import crops

Frame = NDArray[np.uint8]
EVERY = 3
SEAM_PX = 2.0
PARTS = ("whole", "face", "surroundings")


def blurred(frame: Frame) -> Frame:
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), 0.6), np.uint8)


def shrunk(frame: Frame) -> Frame:
    small = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, frame.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def sharpened(frame: Frame) -> Frame:
    return np.asarray(cv2.addWeighted(frame, 1.5, cv2.GaussianBlur(frame, (0, 0), 1.2), -0.5, 0), np.uint8)


def compressed(frame: Frame) -> Frame:
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 50])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def shifted(*levels: int) -> Callable[[Frame], Frame]:
    return lambda frame: np.clip(frame.astype(np.int16) + levels, 0, 255).astype(np.uint8)


CHANGES: Mapping[str, Callable[[Frame], Frame]] = {
    "blurred, 0.6 pixels": blurred,
    "half the size": shrunk,
    "sharpened by half": sharpened,
    "JPEG 50": compressed,
    "redder, 8 levels": shifted(8, 0, -8),
    "redder, 16 levels": shifted(16, 0, -16),
    "brighter, 10 levels": shifted(10, 10, 10),
    "brighter, 20 levels": shifted(20, 20, 20),
}


def unpaired_reals(material: Material) -> ClipTable:
    """Clips of real videos that stand beside no fake: some of each."""
    clips, paired = material.videos, set(material.matched.groups)
    rows = [row for row in range(len(clips)) if clips.labels[row] == REAL and clips.groups[row] not in paired]
    return clips.select(rows[::EVERY])


def face_share(keypoints_px: NDArray, size: int) -> NDArray[np.float32]:
    """1 in the face, 0 around it, and a soft seam between them, [size, size, 1]."""
    region = face_regions.draw(face_regions.place(face_regions.OUTLINES["face"], keypoints_px[None]), size)[0]
    return cv2.GaussianBlur(region, (0, 0), SEAM_PX)[..., None].astype(np.float32) / 255


def measure(model: keras.Model, clips: ClipTable) -> dict[str, dict[str, float]]:
    """Returns for each change the answer to it in each of PARTS."""
    found = list(crops(clips))
    frames = [crop for crop, _ in found]
    shares = [face_share(keypoints, len(crop)) for crop, keypoints in found]

    def ask(shown: Sequence[Frame]) -> NDArray[np.float64]:
        inputs = {"clips": np.stack(shown)[:, None], "mask": np.ones((len(shown), 1), bool)}
        return model.predict(inputs, batch_size=32, verbose=0).astype(np.float64)

    plain = ask(frames)
    rows: dict[str, dict[str, float]] = {}
    for name, change in CHANGES.items():
        changed = [change(frame) for frame in frames]
        mixed = [[mix(one, frame, share) for one, frame, share in zip(changed, frames, shares, strict=True)]]
        mixed += [[mix(frame, one, share) for one, frame, share in zip(changed, frames, shares, strict=True)]]
        answers = [(ask(shown) - plain).mean() / plain.std() for shown in (changed, *mixed)]
        rows[name] = dict(zip(PARTS, map(float, answers), strict=True))
    return rows


def mix(inside: Frame, outside: Frame, share: NDArray[np.float32]) -> Frame:
    return np.rint(inside * share + outside * (1 - share)).astype(np.uint8)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True, help="of the measurement, such as 2026-11-22-base")
    chosen = parser.parse_args(argv)
    clips = unpaired_reals(Material(chosen.clips))
    model, _ = load_run(chosen.run)
    answers = {"num_crops": len(clips), "num_videos": len(set(clips.video_ids)), "rows": measure(model, clips)}
    RESPONSES.mkdir(parents=True, exist_ok=True)
    atomic.write_whole(RESPONSES / f"{chosen.name}.json", (json.dumps(answers, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
