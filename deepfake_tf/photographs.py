"""Photographs of faces as clips: material for self-blended fakes where there are no videos.

A photograph becomes a clip of one frame, or one in which a still head moves a little, as a hand-held camera and a
detector's uncertainty make it move.
"""

import dataclasses
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import crops
from deepfake_tf.decoding.video import Frame
from deepfake_tf.errors import ConfigError, DecodeError, NoFaceError
from deepfake_tf.faces import Detection, Detector
from deepfake_tf.schema import NUM_KEYPOINTS, Clip, ClipSpec

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_FRAME_US = 40_000


def read_clip(path: Path | str, spec: ClipSpec, detector: Detector, *, moving: bool = False, seed: int = 0) -> Clip:
    """Cuts the most prominent face out of a photograph.

    Args:
        path: a picture file.
        spec: how clips are made; its placement has no meaning here.
        detector: finds the face; see faces.open_detector.
        moving: the head moves through all T frames; otherwise only the first frame is there.
        seed: of the movement.

    Raises:
        ConfigError: there is no such file.
        DecodeError: it is no picture, or one too large to be decoded.
        NoFaceError: no face was found in it.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"There is no such picture. Received: {path}")
    pixels = _read(path)
    detection = _find_face(pixels, detector, path)
    num_there = spec.num_frames if moving else 1
    matrices = _movement(detection, num_there, np.random.default_rng(seed)) if moving else [np.eye(2, 3)]
    return _clip([_cut(pixels, detection, matrix, spec) for matrix in matrices], detection, spec)


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        found = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        # OpenCV returns nothing for what is no picture, and raises for more pixels than it takes on.
        raise DecodeError(f"{path.name} has more pixels than can be decoded here.") from error
    if found is None:
        raise DecodeError(f"{path.name} is no picture that can be read.")
    return np.asarray(found, np.uint8)


def _find_face(pixels: NDArray[np.uint8], detector: Detector, path: Path) -> Detection:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    found = detector.detect(Frame(picture, 0, 0, Fraction(1)))
    if not found:
        raise NoFaceError(f"No face was found in {path.name}.")
    return max(found, key=_area)


def _area(detection: Detection) -> float:
    left, top, right, bottom = detection.box_xyxy_px
    return (right - left) * (bottom - top)


def _movement(detection: Detection, num_frames: int, random: np.random.Generator) -> list[NDArray]:
    """Returns for each frame the affine matrix, float64 [2, 3], that moves the photograph's pixels."""
    left, top, right, bottom = detection.box_xyxy_px
    side = max(right - left, bottom - top)
    # Across and down in shares of the face, the turn in degrees, the zoom as a share.
    path = _smooth_path(num_frames, random) * np.array([0.04, 0.04, 4.0, 0.03])
    # A detector places its box anew in every frame.
    path[:, :2] += random.normal(0, 0.004, (num_frames, 2))
    middle = ((left + right) / 2, (top + bottom) / 2)
    matrices = []
    for across, down, angle_deg, zoom in path:
        matrix = cv2.getRotationMatrix2D(middle, angle_deg, 1 + zoom)
        matrix[:, 2] += (across * side, down * side)
        matrices.append(matrix)
    return matrices


def _smooth_path(num_frames: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Returns four slow waves, float64 [T, 4], with values around [-1, 1]."""
    times_sec = np.arange(num_frames)[:, None] * _FRAME_US / 1e6
    frequencies_hz = random.uniform(0.5, 2.5, 4)
    return random.uniform(0.3, 1, 4) * np.sin(2 * np.pi * (frequencies_hz * times_sec + random.random(4)))


def _cut(pixels: NDArray[np.uint8], detection: Detection, matrix: NDArray, spec: ClipSpec) -> crops.Crop:
    height, width = pixels.shape[:2]
    moved = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    keypoints = (detection.keypoints_px @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    # The box stays: what moves in the crop is the head.
    return crops.cut_crop(np.asarray(moved, np.uint8), dataclasses.replace(detection, keypoints_px=keypoints), spec)


def _clip(cut: list[crops.Crop], detection: Detection, spec: ClipSpec) -> Clip:
    num_there, num_frames = len(cut), spec.num_frames
    mask = np.arange(num_frames) < num_there
    keypoints = np.zeros((num_frames, NUM_KEYPOINTS, 2), np.float32)
    keypoints[mask] = [crop.keypoints_px for crop in cut]
    sharpness = np.zeros(num_frames, np.float32)
    sharpness[mask] = [crop.sharpness for crop in cut]
    return Clip(
        clip_id="0/0",
        track_id=0,
        crops=(*(crop.jpeg for crop in cut), *(crops.blank_crop(spec),) * (num_frames - num_there)),
        mask=mask,
        timestamps_us=np.where(mask, np.arange(num_frames) * _FRAME_US, 0),
        frame_indices=np.where(mask, np.arange(num_frames), 0),
        boxes_xyxy_px=np.where(mask[:, None], np.asarray(detection.box_xyxy_px, np.float32), np.float32(0)),
        keypoints_crop_px=keypoints,
        confidences=np.where(mask, np.float32(detection.confidence), np.float32(0)),
        sharpness=sharpness,
    )
