"""Where the parts of a face lie in a crop, told from its six key points.

Six points give a face its own axes: the origin between the eyes, u across (1 is at the left ear, -1 at the right ear),
v down (1 is at the mouth). Each half has its own width, so that a face seen from the side keeps its outline. Regions
are polygons in (u, v): they follow the face through a clip.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake_tf.schema import NUM_KEYPOINTS

RIGHT_EYE, LEFT_EYE, NOSE, MOUTH, RIGHT_EAR, LEFT_EAR = range(NUM_KEYPOINTS)

# The mean over 60 videos of crops with a margin of 0.3, as shares of the crop.
TYPICAL_KEYPOINTS = np.array(
    [[0.38, 0.385], [0.63, 0.385], [0.51, 0.515], [0.51, 0.645], [0.245, 0.465], [0.765, 0.465]], np.float32
)

Polygon = NDArray[np.float32]


def _mirrored(half: ArrayLike) -> Polygon:
    """Completes the half of an outline with u >= 0, given from top to bottom."""
    half = np.asarray(half, np.float32)
    other = half[half[:, 0] > 0][::-1] * np.array([-1, 1], np.float32)
    return np.concatenate([half, other])


def _ellipse(u: float, v: float, width: float, height: float) -> Polygon:
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.column_stack([u + width * np.cos(angles), v + height * np.sin(angles)]).astype(np.float32)


OUTLINES = {
    "face": _mirrored(
        [[0, -0.42], [0.45, -0.5], [0.78, -0.3], [0.9, 0.2], [0.86, 0.75], [0.66, 1.2], [0.38, 1.52], [0, 1.64]]
    ),
    "face_and_forehead": _mirrored(
        [[0, -0.98], [0.5, -0.85], [0.84, -0.35], [0.92, 0.2], [0.87, 0.75], [0.67, 1.2], [0.38, 1.54], [0, 1.66]]
    ),
    "inner_face": _mirrored(
        [[0, -0.3], [0.45, -0.36], [0.68, -0.15], [0.62, 0.4], [0.52, 0.95], [0.32, 1.28], [0, 1.36]]
    ),
    "lower_face": _mirrored([[0, 0.32], [0.5, 0.5], [0.84, 0.5], [0.84, 0.8], [0.64, 1.22], [0.37, 1.52], [0, 1.62]]),
    "oval": _ellipse(0, 0.45, 0.82, 1.15),
    "eyes": _ellipse(0, -0.02, 0.74, 0.3),
    "nose": _ellipse(0, 0.42, 0.27, 0.42),
    "mouth": _ellipse(0, 1.02, 0.5, 0.27),
    "left_half": np.array([[0, -1.05], [1, -1.0], [1.02, 0.3], [0.9, 0.9], [0.4, 1.6], [0, 1.7]], np.float32),
    "right_half": np.array([[0, -1.05], [-1, -1.0], [-1.02, 0.3], [-0.9, 0.9], [-0.4, 1.6], [0, 1.7]], np.float32),
}
"""Regions by name, float32 [N, 2] in (u, v)."""


def fill_in(keypoints_px: ArrayLike | None, mask: ArrayLike | None, num_frames: int, size_px: int) -> NDArray:
    """Returns key points for every frame, less shaky than the detector gave them.

    Where a frame has none they are drawn from its neighbours; a clip without any gets those of a typical crop.

    Args:
        keypoints_px: float [T, 6, 2] in pixels of the crop, or None.
        mask: bool [T], which frames have them; None if all do.
        num_frames: T.
        size_px: H = W of the crops.

    Returns:
        float32 [T, 6, 2].
    """
    at = _frames_with_face(keypoints_px, mask, size_px)
    if keypoints_px is None or not len(at):
        return np.repeat(TYPICAL_KEYPOINTS[None] * size_px, num_frames, axis=0)
    flat = np.asarray(keypoints_px, np.float32).reshape(num_frames, -1)
    filled = np.stack([np.interp(np.arange(num_frames), at, flat[at, i]) for i in range(flat.shape[1])], axis=1)
    if num_frames > 1:
        # Continued in a straight line at both ends, and weighed so that a steady movement stays as it is.
        around = np.pad(filled, ((1, 1), (0, 0)), mode="reflect", reflect_type="odd")
        filled = 0.25 * around[:-2] + 0.5 * around[1:-1] + 0.25 * around[2:]
    return filled.reshape(num_frames, NUM_KEYPOINTS, 2).astype(np.float32)


def _frames_with_face(keypoints_px: ArrayLike | None, mask: ArrayLike | None, size_px: int) -> NDArray[np.int64]:
    if keypoints_px is None:
        return np.zeros(0, np.int64)
    points = np.asarray(keypoints_px, np.float32)
    # Records without key points hold zeros.
    apart = np.linalg.norm(points[:, LEFT_EYE] - points[:, RIGHT_EYE], axis=-1) > 0.01 * size_px
    return np.flatnonzero(apart if mask is None else apart & np.asarray(mask, bool))


def place(outline: Polygon, keypoints_px: NDArray) -> NDArray[np.float32]:
    """Puts an outline on the face of each frame.

    Args:
        outline: float32 [N, 2] in (u, v).
        keypoints_px: float32 [T, 6, 2], as `fill_in` returns them.

    Returns:
        float32 [T, N, 2], x and y in pixels of the crop.
    """
    origin = (keypoints_px[:, RIGHT_EYE] + keypoints_px[:, LEFT_EYE]) / 2
    down = keypoints_px[:, MOUTH] - origin
    right, left = _half_widths(keypoints_px, origin)
    u, v = outline[:, 0], outline[:, 1]
    across = np.maximum(u, 0)[None, :, None] * left[:, None] + np.maximum(-u, 0)[None, :, None] * right[:, None]
    return (origin[:, None] + across + v[None, :, None] * down[:, None]).astype(np.float32)


def _half_widths(keypoints_px: NDArray, origin: NDArray) -> tuple[NDArray, NDArray]:
    """Vectors [T, 2] along the line of the eyes, from between them as far as the right and the left ear."""
    eyes = keypoints_px[:, LEFT_EYE] - keypoints_px[:, RIGHT_EYE]
    distance = np.maximum(np.linalg.norm(eyes, axis=1, keepdims=True), 1e-3)
    direction = eyes / distance
    right = np.sum((origin - keypoints_px[:, RIGHT_EAR]) * direction, axis=1, keepdims=True)
    left = np.sum((keypoints_px[:, LEFT_EAR] - origin) * direction, axis=1, keepdims=True)
    # The far ear of a face seen from the side is guessed, at times inside the eye.
    least = 0.62 * distance
    return -np.maximum(right, least) * direction, np.maximum(left, least) * direction


def draw(polygons_px: NDArray, size_px: int) -> NDArray[np.uint8]:
    """Fills polygons with smooth edges.

    Args:
        polygons_px: float32 [T, N, 2].
        size_px: H = W of the crops.

    Returns:
        uint8 [T, H, W], 255 inside and 0 outside.
    """
    import cv2

    regions = np.zeros((len(polygons_px), size_px, size_px), np.uint8)
    fraction_bits = 4
    # Whole parts are bounded: a wild key point must not overflow OpenCV's integers.
    points = np.clip(polygons_px, -4 * size_px, 5 * size_px) * 2**fraction_bits
    for region, polygon in zip(regions, np.rint(points).astype(np.int32), strict=True):
        cv2.fillPoly(region, [polygon], 255, lineType=cv2.LINE_AA, shift=fraction_bits)
    return regions
