"""Leaving packets out changes no pixel: python -m tests.benchmarks.pixels [--sets 4] [--name PART].

Every real video is decoded whole, then again for several choices of frames, those of both placements and small ones at
random, for which most packets need not be decoded. Each frame must be equal, bit for bit, to the one of the whole pass.
In damaged files the decoder fills gaps by guesses, which may differ with what it has seen.
"""

import argparse
import random
import sys
import zlib
from collections.abc import Collection, Sequence

from rich.progress import track

from deepfake_tf.decoding.video import Video
from deepfake_tf.errors import VideoError
from deepfake_tf.extraction import place_clips
from deepfake_tf.schema import ClipSpec
from tests.benchmarks.real_videos import RealVideo, videos


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=4, help="choices of frames at random, for each video")
    parser.add_argument("--name", default="", help="only videos with this in their name")
    chosen = parser.parse_args(argv)
    num_read = num_frames = num_different = 0
    for one in track([one for one in videos() if chosen.name in one.name]):
        try:
            compared, different = _compare(one, chosen.sets)
        except VideoError as error:
            print(f"  not read: {one.name}: {error}", flush=True)
            continue
        num_read, num_frames, num_different = num_read + 1, num_frames + compared, num_different + len(different)
        if different:
            print(f"  different: {one.name}: frames {' '.join(map(str, different[:20]))}", flush=True)
    print(f"{num_read} videos, {num_frames} frames compared, {num_different} differ")
    return 1 if num_different else 0


def _compare(one: RealVideo, num_sets: int) -> tuple[int, list[int]]:
    """The number of frames compared, and those that differ."""
    video = Video(one.path)
    whole = _checksums(one, range(len(video.timeline)))
    rng = random.Random(one.name)
    sets = [
        {index for clip in place_clips(video, ClipSpec(placement=way)) for index in clip} for way in ("even", "spread")
    ]
    sets += [set(rng.choices(range(len(video.timeline)), k=rng.randint(1, 6))) for _ in range(num_sets)]
    found = [(index, checksum) for wanted in sets for index, checksum in _checksums(one, wanted).items()]
    return len(found), sorted({index for index, checksum in found if whole.get(index) != checksum})


def _checksums(one: RealVideo, wanted: Collection[int]) -> dict[int, int]:
    return {frame.index: zlib.crc32(frame.pixels) for frame in Video(one.path).frames(wanted)}


if __name__ == "__main__":
    sys.exit(main())
