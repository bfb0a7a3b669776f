"""Crops: the face region of a frame, resized and stored as JPEG."""

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf.faces import Detection
from deepfake_tf.schema import ClipSpec

_SUBSAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
# So many times larger than the crop a square stays when it is halved: rounding then does not show.
_SIZES_AVERAGED = 3


@dataclass(frozen=True)
class Crop:
    """One face, cut out.

    Attributes:
        jpeg: the picture, RGB [H, W, 3].
        keypoints_px: float32 [6, 2], x and y in the crop.
        sharpness: variance of the Laplacian, in squared grey levels.
    """

    jpeg: bytes
    keypoints_px: NDArray[np.float32]
    sharpness: float


def cut_crop(pixels: NDArray[np.uint8], detection: Detection, spec: ClipSpec) -> Crop:
    """Cuts a face out of a frame; where the square reaches outside the frame, its edge is repeated.

    Args:
        pixels: uint8 RGB [H, W, 3], the whole frame.
        detection: the face.
        spec: size, margin, alignment and JPEG settings.
    """
    left, top, side = crop_square(detection, spec)
    if spec.alignment == "eyes":
        crop, keypoints = _cut_level(pixels, detection, (left, top, side), spec.crop_size_px)
    else:
        crop = _resize(_region(pixels, left, top, side), spec.crop_size_px)
        keypoints = (detection.keypoints_px.astype(np.float64) - (left, top)) * (spec.crop_size_px / side)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return Crop(
        jpeg=encode_jpeg(crop, spec),
        keypoints_px=keypoints.astype(np.float32),
        sharpness=float(cv2.Laplacian(grey, cv2.CV_64F).var()),
    )


def crop_square(detection: Detection, spec: ClipSpec) -> tuple[int, int, int]:
    """Returns (left, top, side) in whole pixels: the box's longer side with margins, around its middle."""
    left, top, right, bottom = detection.box_xyxy_px
    side = max(1, round(max(right - left, bottom - top) * (1 + 2 * spec.margin)))
    # Large squares are halved before they are resized.
    side += -side % 4 if side >= 2 * _SIZES_AVERAGED * spec.crop_size_px else 0
    return round((left + right - side) / 2), round((top + bottom - side) / 2), side


def encode_jpeg(crop: NDArray[np.uint8], spec: ClipSpec) -> bytes:
    """Returns a crop, uint8 RGB [H, W, 3], as a JPEG file."""
    options = [
        *(cv2.IMWRITE_JPEG_QUALITY, spec.jpeg_quality),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SUBSAMPLING[spec.jpeg_subsampling]),
    ]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()


@cache
def blank_crop(spec: ClipSpec) -> bytes:
    """Returns the black crop that stands where there is none."""
    return encode_jpeg(np.zeros((spec.crop_size_px, spec.crop_size_px, 3), np.uint8), spec)


def _cut_level(
    pixels: NDArray[np.uint8], detection: Detection, square: tuple[int, int, int], size_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Cuts a square that is turned around its middle so that the eyes lie level."""
    left, top, side = square
    # Whatever the angle, the turned square lies within one whose side is its diagonal.
    wide_side = side + 2 * math.ceil(side * (math.sqrt(2) - 1) / 2)
    wide_left, wide_top = left - (wide_side - side) // 2, top - (wide_side - side) // 2
    scale = size_px / side
    wide = _resize(_region(pixels, wide_left, wide_top, wide_side), round(wide_side * scale))
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


def _region(pixels: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    """A square of a frame; what lies outside the frame repeats its nearest pixel."""
    height, width = pixels.shape[:2]
    x0, x1 = min(max(left, 0), width - 1), max(min(left + side, width), 1)
    y0, y1 = min(max(top, 0), height - 1), max(min(top + side, height), 1)
    part = pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    if part.shape[:2] == (side, side):
        return part
    x = np.clip(np.arange(left, left + side) - x0, 0, part.shape[1] - 1)
    y = np.clip(np.arange(top, top + side) - y0, 0, part.shape[0] - 1)
    return part[y[:, None], x]


def _resize(square: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    # Halving is exact and fast; by other ratios the mean over areas takes ten times as long, for every pixel it reads.
    while square.shape[0] >= 2 * _SIZES_AVERAGED * size_px and square.shape[0] % 2 == 0:
        half = square.shape[0] // 2
        square = np.asarray(cv2.resize(square, (half, half), interpolation=cv2.INTER_AREA), np.uint8)
    # Averaging when it shrinks keeps fine detail from turning into patterns.
    method = cv2.INTER_AREA if size_px < square.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (size_px, size_px), interpolation=method), np.uint8)
