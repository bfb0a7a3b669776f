"""Boxes on the way against boxes found: python -m tests.benchmarks.boxes_between [--placement spread] ....

On the labelled videos and those that speed is measured on, faces are followed as extraction does it. Then the frames
that were not looked at are, and each box on the way is compared with the one found nearest to it: intersection over
union.
"""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import clips, crops
from deepfake_tf.decoding.frames import Frame
from deepfake_tf.decoding.video import Video
from deepfake_tf.extraction import place_clips
from deepfake_tf.faces import Detection, Detector, open_detector
from deepfake_tf.following import Follower
from deepfake_tf.schema import ClipSpec
from tests.benchmarks.real_videos import FACES, bench_videos, videos


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--placement", default="spread")
    parser.add_argument("--detect-every", type=int, default=ClipSpec().detect_every)
    chosen = parser.parse_args(argv)
    spec = ClipSpec(placement=chosen.placement, detect_every=chosen.detect_every)
    detector = open_detector(spec)
    shares: list[float] = []
    num_frames = num_followed = 0
    for path in [one.path for one in videos() if one.shows == FACES] + bench_videos():
        sampled, followed, found = _compare(path, spec, detector)
        num_frames, num_followed, shares = num_frames + sampled, num_followed + followed, shares + found
        print(
            f"  {path.stem}: {followed} of {sampled} frames not looked at, least {min(found, default=1):.2f}",
            flush=True,
        )
    least, first, median = np.percentile(shares, [0, 1, 50])
    print(
        f"{num_followed} of {num_frames} frames were not looked at; intersection over union of {len(shares)} boxes: "
        f"median {median:.3f}, 99 in 100 above {first:.3f}, all above {least:.3f}"
    )
    return 0


def _compare(path: Path, spec: ClipSpec, detector: Detector) -> tuple[int, int, list[float]]:
    """The number of frames, of those not looked at, and for each of the latter's boxes how well it fits."""
    video = Video(path)
    placed = place_clips(video, spec)
    noting = _Noting(detector)
    follower = Follower(noting, functools.partial(crops.cut_crop, spec=spec))
    look_at = clips.frames_to_look_at(placed, spec.detect_every)
    seen = []
    for frame in video.frames({index for clip in placed for index in clip}):
        seen += follower.take(frame, must_look=frame.index in look_at)
    seen += follower.rest()
    between = [one for one in seen if one.frame.index not in noting.looked_at]
    shares = []
    for one in between:
        found = detector.detect(one.frame, known=one.faces)
        shares += [max((_share(face, other) for other in found), default=0.0) for face in one.faces]
    return len(seen), len(between), shares


class _Noting:
    """A detector that notes which frames it was shown."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.looked_at: set[int] = set()

    def detect(self, frame: Frame, *, known: Sequence[Detection] = (), closely: bool = True) -> list[Detection]:
        self.looked_at.add(frame.index)
        return self._detector.detect(frame, known=known, closely=closely)

    def look_closer(self, crop: NDArray[np.uint8]) -> float:
        return self._detector.look_closer(crop)


def _share(one: Detection, other: Detection) -> float:
    """Intersection over union of two boxes."""
    first, second = np.array(one.box_xyxy_px), np.array(other.box_xyxy_px)
    width, height = np.maximum(0, np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (first, second)]
    return float(width * height) / (sum(areas) - float(width * height))


if __name__ == "__main__":
    raise SystemExit(main())
