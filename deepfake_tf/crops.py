"""Crops: the face region of a frame, resized and stored as JPEG."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf.decoding import squares
from deepfake_tf.decoding.frames import Frame
from deepfake_tf.faces import Detection
from deepfake_tf.schema import ClipSpec
from deepfake_tf.tracks import Look, look_of

_SUBSAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
Cut = Callable[[int, int, int, int], NDArray[np.uint8]]
"""Takes left, top, side and size_px, and returns that square of a picture, resized, uint8 RGB."""


@dataclass(frozen=True)
class Crop:
    """One face, cut out.

    Attributes:
        jpeg: the picture, RGB [H, W, 3].
        keypoints_px: float32 [6, 2], x and y in the crop.
        sharpness: variance of the Laplacian, in squared grey levels.
        look: what tells faces apart from frame to frame; see tracks.py.
    """

    jpeg: bytes
    keypoints_px: NDArray[np.float32]
    sharpness: float
    look: Look


def cut_crop(picture: Frame | NDArray[np.uint8], detection: Detection, spec: ClipSpec) -> Crop:
    """Cuts a face out of a frame; where the square reaches outside the frame, its edge is repeated.

    Args:
        picture: the whole frame, decoded or as uint8 RGB [H, W, 3].
        detection: the face.
        spec: size, margin, alignment and JPEG settings.
    """
    cut = picture.square if isinstance(picture, Frame) else functools.partial(squares.cut_square, picture)
    left, top, side = crop_square(detection, spec)
    if spec.alignment == "eyes":
        crop, keypoints = _cut_level(cut, detection, (left, top, side), spec.crop_size_px)
    else:
        crop = cut(left, top, side, spec.crop_size_px)
        keypoints = (detection.keypoints_px.astype(np.float64) - (left, top)) * (spec.crop_size_px / side)
    edges = cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_16S)
    return Crop(
        jpeg=encode_jpeg(crop, spec),
        keypoints_px=keypoints.astype(np.float32),
        sharpness=float(cv2.meanStdDev(edges)[1].item() ** 2),
        look=look_of(crop),
    )


def crop_square(detection: Detection, spec: ClipSpec) -> tuple[int, int, int]:
    """Returns (left, top, side) in pixels, even numbers: the box's longer side with margins, around its middle."""
    left, top, right, bottom = detection.box_xyxy_px
    side = max(1, round(max(right - left, bottom - top) * (1 + 2 * spec.margin)))
    # Most videos store one colour for two by two pixels, and large squares are halved before they are resized.
    side = squares.even_side(side, spec.crop_size_px)
    return 2 * round((left + right - side) / 4), 2 * round((top + bottom - side) / 4), side


def encode_jpeg(crop: NDArray[np.uint8], spec: ClipSpec) -> bytes:
    """Returns a crop, uint8 RGB [H, W, 3], as a JPEG file."""
    options = [
        *(cv2.IMWRITE_JPEG_QUALITY, spec.jpeg_quality),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SUBSAMPLING[spec.jpeg_subsampling]),
    ]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()


def decode_jpeg(jpeg: bytes) -> NDArray[np.uint8]:
    """Returns what `encode_jpeg` stored, uint8 RGB [H, W, 3]."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


@functools.cache
def blank_crop(spec: ClipSpec) -> bytes:
    """Returns the black crop that stands where there is none."""
    return encode_jpeg(np.zeros((spec.crop_size_px, spec.crop_size_px, 3), np.uint8), spec)


def _cut_level(
    cut: Cut, detection: Detection, square: tuple[int, int, int], size_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Cuts a square that is turned around its middle so that the eyes lie level."""
    left, top, side = square
    # Whatever the angle, the turned square lies within one whose side is its diagonal.
    wide_side = side + 4 * math.ceil(side * (math.sqrt(2) - 1) / 4)
    wide_left, wide_top = left - (wide_side - side) // 2, top - (wide_side - side) // 2
    scale = size_px / side
    wide = cut(wide_left, wide_top, wide_side, round(wide_side * scale))
    right_eye, left_eye = detection.keypoints_px[0], detection.keypoints_px[1]
    across, down = (left_eye - right_eye).tolist()
    angle = math.atan2(down, across)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    shift = size_px / 2 - turn @ np.full(2, wide.shape[0] / 2)
    # OpenCV counts from the middle of the first pixel, the line above from its corner.
    matrix = np.column_stack([turn, shift + turn @ np.full(2, 0.5) - 0.5])
    crop = cv2.warpAffine(wide, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    in_wide = (detection.keypoints_px.astype(np.float64) - (wide_left, wide_top)) * (wide.shape[0] / wide_side)
    return np.asarray(crop, np.uint8), in_wide @ turn.T + shift
