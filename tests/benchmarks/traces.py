"""What swaps leave behind beside what self-blends do, without any learning: python -m tests.benchmarks.traces CLIPS.

CLIPS is a folder `clips-<spec>` of pipelines.generalise. Each measure of a crop is the mean logarithm of detail in the
face less that in what surrounds it: it tells softer or sharper, in bands of one octave, in light and in colour. The
last is the finest detail outside the face alone: there a fake should be its own real. Shown is how a fake differs from
its own real: the mean over groups of matched pairs with its deviation, how many groups are below 0, and beside it the
middle 90 % of self-blends, which should hold what swaps do.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from deepfake_tf import face_regions
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.batching.frame_windows import MIDDLE
from deepfake_tf.batching.sampling import find_own_reals
from deepfake_tf.blending import SelfBlend
from deepfake_tf.generalising.material import Material

SIGMAS_PX = (0.6, 1.2, 2.4, 4.8)
MEASURES = (*(f"{plane} {number}" for number in range(4) for plane in ("light", "colour")), "red", "blue", "outside")
# Of the face, of its surroundings' inner edge, and of their outer edge, as shares of the outline.
INSIDE, NEAR, FAR = 0.8, 1.05, 1.3


def measure(crop: NDArray[np.uint8], keypoints_px: NDArray) -> NDArray[np.float64]:
    """What is in the face less what is around it, one number for each of MEASURES."""
    inside, near, far = (_region(keypoints_px, len(crop), scale) for scale in (INSIDE, NEAR, FAR))
    around = far & ~near
    found: list[float] = []
    past = cv2.cvtColor(crop, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    for sigma in SIGMAS_PX:
        smooth = cv2.GaussianBlur(past, (0, 0), sigma)
        light, red, blue = np.abs(past - smooth).transpose(2, 0, 1)
        past = smooth
        found += [_ratio(np.log(0.05 + plane), inside, around) for plane in (light, np.hypot(red, blue))]
    found += [_ratio(past[..., number], inside, around) for number in (1, 2)]
    grey = crop @ np.float32([0.299, 0.587, 0.114])
    finest = np.log(0.05 + np.abs(grey - cv2.GaussianBlur(grey, (0, 0), SIGMAS_PX[0])))
    return np.array([*found, finest[~near].mean()])


def _region(keypoints_px: NDArray, size: int, scale: float) -> NDArray[np.bool_]:
    outline = face_regions.OUTLINES["face_and_forehead"]
    middle = outline.mean(axis=0)
    placed = face_regions.place((outline - middle) * scale + middle, keypoints_px[None])
    return face_regions.draw(placed, size)[0] > 127


def _ratio(plane: NDArray, inside: NDArray, around: NDArray) -> float:
    return float(plane[inside].mean() - plane[around].mean())


def crops(clips: ClipTable) -> Iterator[tuple[NDArray, NDArray]]:
    """The first frame of each clip and its key points."""
    for row in range(len(clips)):
        found = clips.read_frames(row, MIDDLE)
        size = clips.spec.crop_size_px
        yield (
            simplejpeg.decode_jpeg(found.crops[0], "RGB"),
            face_regions.fill_in(found.keypoints_px, found.mask, len(found.mask), size)[0],
        )


def of_pairs(clips: ClipTable) -> NDArray:
    """Fake less own real, the mean of each group, [groups, measures]."""
    measured = np.array([measure(*one) for one in crops(clips)])
    by_group: dict[str, list[NDArray]] = {}
    for fake, reals in find_own_reals(clips).items():
        if len(reals):
            by_group.setdefault(clips.groups[fake], []).append(measured[fake] - measured[reals].mean(axis=0))
    return np.array([np.mean(one, axis=0) for one in by_group.values()])


def of_blends(clips: ClipTable) -> NDArray:
    """Self-blend less its real, [clips, measures]."""
    blend, found = SelfBlend(), []
    for seed, (crop, keypoints) in enumerate(crops(clips)):
        fake = blend(crop[None], seed, keypoints_px=keypoints[None]).clip[0]
        found.append(measure(fake, keypoints) - measure(crop, keypoints))
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--blends", type=int, default=600, help="self-blended photographs to measure")
    arguments = parser.parse_args()
    material = Material(arguments.clips)
    photographs = material.photographs
    some = np.linspace(0, len(photographs) - 1, min(arguments.blends, len(photographs))).astype(int)
    pairs, blends = of_pairs(material.matched), of_blends(photographs.select(some))
    print(f"{len(pairs)} groups, {len(blends)} self-blends; fake less its own real, in the face less around it")
    print("| measure | swaps: mean (deviation) | below 0 | self-blends: middle 90 % | below 0 | swaps inside |")
    print("|---|---|---|---|---|---|")
    for number, name in enumerate(MEASURES):
        swaps, own = pairs[:, number], blends[:, number]
        low, high = np.quantile(own, (0.05, 0.95))
        print(
            f"| {name} | {swaps.mean():+.3f} ({swaps.std(ddof=1):.3f}) | {np.mean(swaps < 0):.0%} | "
            f"{low:+.3f} to {high:+.3f} | {np.mean(own < 0):.0%} | {np.mean((swaps >= low) & (swaps <= high)):.0%} |"
        )


if __name__ == "__main__":
    main()
