"""Faces found on real videos: python -m tests.benchmarks.coverage [--placement spread] [--detect-every 4] ....

Prints the share of sampled frames with a face of every labelled video and of the dark and crowded ones, names the
misses (to be looked at), and counts what is taken for a face in videos without one and in cartoons.
"""

import argparse
from collections.abc import Sequence

from deepfake_tf.decoding.video import Video
from deepfake_tf.extraction import Extraction, extract, place_clips
from deepfake_tf.schema import ClipSpec
from tests.benchmarks.real_videos import CARTOON, FACES, NO_FACE, RealVideo, videos


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--placement", default="even")
    parser.add_argument("--detect-every", type=int, default=ClipSpec().detect_every)
    parser.add_argument("--min-confidence", type=float, default=ClipSpec().min_confidence)
    chosen = parser.parse_args(argv)
    spec = ClipSpec(placement=chosen.placement, detect_every=chosen.detect_every, min_confidence=chosen.min_confidence)
    print(f"{spec.placement}, 4 clips of 8 frames, detect_every {spec.detect_every}", flush=True)
    for shows in (FACES, NO_FACE, CARTOON):
        _print_kind(shows, [one for one in videos() if one.shows == shows], spec)
    return 0


def _print_kind(shows: str, found: list[RealVideo], spec: ClipSpec) -> None:
    num_with_face = num_sampled = num_crops = 0
    for one in found:
        extraction = extract(one.path, spec)
        num_with_face += extraction.num_frames_with_face
        num_sampled += extraction.num_frames_sampled
        num_crops += sum(int(clip.mask.sum()) for clip in extraction.clips)
        if extraction.coverage < 1 if shows == FACES else extraction.clips:
            print(_line(one, extraction, spec), flush=True)
    share = num_with_face / max(1, num_sampled)
    print(
        f"{shows}: {len(found)} videos, a face in {num_with_face} of {num_sampled} frames ({share:.2%}), "
        f"{num_crops} crops\n",
        flush=True,
    )


def _line(one: RealVideo, extraction: Extraction, spec: ClipSpec) -> str:
    counts = f"{extraction.num_frames_with_face}/{extraction.num_frames_sampled}"
    confidences = [c for clip in extraction.clips for c in clip.confidences[clip.mask].tolist()]
    sure = f"confidence {min(confidences):.2f} to {max(confidences):.2f}" if confidences else extraction.reason
    tracks = len({clip.track_id for clip in extraction.clips})
    return (
        f"  {one.label:10} {one.name}: {counts} in {tracks} tracks, {sure}; without: {_without(one, extraction, spec)}"
    )


def _without(one: RealVideo, extraction: Extraction, spec: ClipSpec) -> str:
    if extraction.num_frames_sampled == 0:
        return "-"
    sampled = {index for clip in place_clips(Video(one.path), spec) for index in clip}
    found = {int(index) for clip in extraction.clips for index in clip.frame_indices[clip.mask]}
    return " ".join(map(str, sorted(sampled - found))) or "-"


if __name__ == "__main__":
    raise SystemExit(main())
