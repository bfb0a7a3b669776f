"""How fakes are made: the inner face of a frame is replaced, with the traces that real forgeries leave.

The traces are those of the face-swap literature, in small: a face generated at another resolution and scaled into
place, without the camera's noise, colours matched only in part, a blending border, and a place that shakes from frame
to frame (Li et al., "Face X-ray", 2020; Shiohara and Yamasaki, "Self-Blended Images", 2022).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf.synthetic.people import LEFT_EYE, MOUTH, NOSE, RIGHT_EYE, Pixels, Still
from deepfake_tf.synthetic.scenes import NUM_FRAMES, Pose, Scene, person_coordinates, sample_person

METHODS = ("swap", "blend")
"""Names of the ways in which fakes are made."""


@dataclass(frozen=True)
class Forgery:
    """How the inner face of one video is replaced.

    Attributes:
        source: whose face is put in.
        resolution: of the face that is put in, as a share of the video's.
        sharpening: after scaling it into place, 0 for none.
        matched: how much of the difference in colour is taken out, 0 to 1.
        tint: what is added to the face's RGB on top.
        contrast: factor on the face's deviation from its mean.
        feather: width of the blending border, as a share of the face.
        roundness: 2 an ellipse, more a box.
        jitter_px: float32 [NUM_FRAMES, 2], how far it sits beside its place, in pixels of the portrait.
        flicker: float32 [NUM_FRAMES], factor on its brightness.
        lag: frames that its mouth and eyes are late.
        enlargement: its size against the right one.
        denoised: share of the sensor's noise that it lacks, 0 to 1: it was made after the camera.
    """

    source: Still
    resolution: float
    sharpening: float
    matched: float
    tint: tuple[float, float, float]
    contrast: float
    feather: float
    roundness: float
    jitter_px: Pixels
    flicker: Pixels
    lag: int
    enlargement: float
    denoised: float


def draw_forgery(rng: np.random.Generator, method: str, source: Still) -> Forgery:
    """Draws a forgery: "swap" puts in another person, "blend" the same person rendered another time."""
    is_swap = method == "swap"
    tint = rng.normal(0, 1, 3)
    tint *= (rng.uniform(0.02, 0.05) if is_swap else rng.uniform(0.04, 0.07)) / np.linalg.norm(tint)
    return Forgery(
        source=source,
        resolution=rng.uniform(0.3, 0.42) if is_swap else rng.uniform(0.34, 0.46),
        sharpening=rng.uniform(0.0, 0.3) if is_swap else rng.uniform(0.3, 0.7),
        matched=rng.uniform(0.75, 0.95) if is_swap else 1.0,
        tint=tuple(tint),
        contrast=rng.uniform(0.9, 1.1) if is_swap else rng.choice([rng.uniform(0.82, 0.9), rng.uniform(1.12, 1.22)]),
        feather=rng.uniform(0.06, 0.15) if is_swap else rng.uniform(0.05, 0.1),
        roundness=rng.uniform(2.0, 3.5),
        jitter_px=rng.normal(0, 0.5, (NUM_FRAMES, 2)).astype(np.float32),
        flicker=(1 + rng.normal(0, 0.015, NUM_FRAMES)).astype(np.float32),
        lag=int(rng.integers(0, 3)),
        enlargement=rng.uniform(0.97, 1.05),
        denoised=rng.uniform(0.8, 1.0),
    )


def forge(scene: Scene, target: Still, forgery: Forgery, frame_index: int) -> tuple[Pixels, Pixels]:
    """Puts another inner face on the person of a frame.

    Returns:
        RGBA in [0, 1], float32 [HEIGHT, WIDTH, 4], and the share of the sensor's noise that is missing, for `film`.
    """
    x, y = person_coordinates(scene, target, frame_index)
    person = sample_person(target, scene.poses[frame_index], x, y)
    mask = _inner_face(target, forgery, x, y) * person[..., 3]
    grainless = forgery.denoised * mask
    rows, columns = _bounds(mask)
    x, y, mask = x[rows, columns], y[rows, columns], mask[rows, columns]
    face = _put_in(scene, target, forgery, frame_index, x, y)
    there = person[rows, columns, :3]
    face = _match_colours(face, there, mask, forgery) * forgery.flicker[frame_index]
    person[rows, columns, :3] = np.clip(there + mask[..., None] * (face - there), 0, 1)
    return person, grainless


def _put_in(scene: Scene, target: Still, forgery: Forgery, frame_index: int, x: Pixels, y: Pixels) -> Pixels:
    """Returns the source's face at the coordinates of the target's, float32 RGB."""
    late: Pose = scene.poses[max(frame_index - forgery.lag, 0)]
    turn = _similarity(target.landmarks_px, forgery.source.landmarks_px, forgery.enlargement)
    x, y = x + forgery.jitter_px[frame_index, 0], y + forgery.jitter_px[frame_index, 1]
    from_x = turn[0] * x - turn[1] * y + turn[2]
    from_y = turn[1] * x + turn[0] * y + turn[3]
    face: Pixels = sample_person(forgery.source, late, from_x, from_y)[..., :3]
    size = (face.shape[1], face.shape[0])
    if forgery.resolution < 1:
        small = (max(8, round(forgery.resolution * size[0])), max(8, round(forgery.resolution * size[1])))
        face = cv2.resize(cv2.resize(face, small, interpolation=cv2.INTER_AREA), size, interpolation=cv2.INTER_CUBIC)
    return face + forgery.sharpening * (face - cv2.GaussianBlur(face, (0, 0), 1.2))


def _similarity(of: Pixels, to: Pixels, enlargement: float) -> tuple[float, float, float, float]:
    """Returns a, b, c, d of (x, y) -> (a x - b y + c, b x + a y + d), which best maps eyes, nose and mouth."""
    chosen = [RIGHT_EYE, LEFT_EYE, NOSE, MOUTH]
    of_mean, to_mean = of[chosen].mean(axis=0), to[chosen].mean(axis=0)
    of_x, of_y = (of[chosen] - of_mean).T
    to_x, to_y = (to[chosen] - to_mean).T
    length = np.sum(of_x**2 + of_y**2) * enlargement
    a = float(np.sum(of_x * to_x + of_y * to_y) / length)
    b = float(np.sum(of_x * to_y - of_y * to_x) / length)
    return (
        a,
        b,
        float(to_mean[0] - a * of_mean[0] + b * of_mean[1]),
        float(to_mean[1] - b * of_mean[0] - a * of_mean[1]),
    )


def _inner_face(target: Still, forgery: Forgery, x: Pixels, y: Pixels) -> Pixels:
    """Returns where the face is replaced, 0 to 1: from the brows to below the mouth."""
    eyes = target.landmarks_px[[RIGHT_EYE, LEFT_EYE]]
    mouth = target.landmarks_px[MOUTH]
    centre = 0.5 * eyes.mean(axis=0) + 0.5 * mouth
    across = 0.88 * np.linalg.norm(eyes[1] - eyes[0])
    down = 0.92 * (mouth[1] - eyes[:, 1].mean())
    power = forgery.roundness
    distance = np.abs((x - centre[0]) / across) ** power + np.abs((y - centre[1]) / down) ** power
    return np.clip((1 - distance ** (1 / power)) / forgery.feather, 0, 1).astype(np.float32)


def _bounds(mask: Pixels) -> tuple[slice, slice]:
    """Returns the rows and columns that hold the mask, and a few more."""

    def bounds(found: NDArray[np.int64], length: int) -> slice:
        return slice(max(0, int(found[0]) - 4), min(length, int(found[-1]) + 5)) if len(found) else slice(0, length)

    height, width = mask.shape
    return bounds(np.flatnonzero(mask.any(axis=1)), height), bounds(np.flatnonzero(mask.any(axis=0)), width)


def _match_colours(face: Pixels, there: Pixels, mask: Pixels, forgery: Forgery) -> Pixels:
    weight = (mask / max(float(mask.sum()), 1e-6))[..., None]
    mean, mean_there = np.sum(weight * face, axis=(0, 1)), np.sum(weight * there, axis=(0, 1))
    matched = mean + forgery.matched * (mean_there - mean) + np.array(forgery.tint, np.float32)
    return (matched + forgery.contrast * (face - mean)).astype(np.float32)
