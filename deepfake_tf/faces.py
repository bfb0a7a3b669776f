"""Faces in a frame: Detection, what a detector is, and MediaPipe's BlazeFace.

The full-range model looks at the shrunken frame. Only where it finds nothing the short-range model looks too (it finds
very large, turned and blurred faces), then at where faces were a moment ago, content with less, and then the full-range
model at overlapping tiles of the frame (small faces).
"""

import atexit
import math
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import assets, mediapipe_library, native_output
from deepfake_tf.decoding.frames import Frame
from deepfake_tf.schema import NUM_KEYPOINTS, ClipSpec

_open_models: "weakref.WeakSet[Any]" = weakref.WeakSet()
# A tile's side as a share of the frame's shorter side, and how far tiles overlap as a share of their side: a face that
# a cut goes through lies whole in the next tile if it is smaller than the overlap.
_TILE_SHARE = 0.6
_TILE_OVERLAP = 0.3
# Tiles show letters, dials and leaves as large as faces. On videos without a face two in three such findings lie below.
_TILE_MORE_CONFIDENCE = 0.15
# Where a face was a moment ago, this share of the least confidence is enough, if it was sure by then: this far from the
# least confidence to 1. (What is no face would be followed on and on.)
_NEAR_CONFIDENCE = 0.6
_SURE = 0.5
# The square looked at around known faces: how far a face may have gone, in its sizes; how small a face in it may be
# (the short-range model sees 128 x 128 pixels); and the size it is shrunk to.
_NEAR_REACH = 1.0
_NEAR_LEAST_SHARE = 0.15
_NEAR_SIZE_PX = 192


@dataclass(frozen=True)
class Detection:
    """One face in one frame.

    Attributes:
        box_xyxy_px: left, top, right, bottom; may reach outside the frame.
        confidence: in [0, 1].
        keypoints_px: float32 [6, 2], x and y in the frame; see schema.NUM_KEYPOINTS.
    """

    box_xyxy_px: tuple[float, float, float, float]
    confidence: float
    keypoints_px: NDArray[np.float32]


class Detector(Protocol):
    """What finds faces."""

    def detect(self, frame: Frame, *, known: Sequence[Detection] = (), closely: bool = True) -> list[Detection]:
        """Returns the faces of a frame, in no particular order.

        Args:
            frame: where to look.
            known: faces of a frame shortly before: there less is enough.
            closely: whether to look for small faces too, which takes long, if no others are found.
        """

    def look_closer(self, crop: NDArray[np.uint8]) -> float:
        """Returns how sure a face is seen in a crop, uint8 RGB [H, W, 3], in [0, 1]; 0 if none is."""


class BlazeFace:
    """MediaPipe's face detector (Bazarevsky et al. 2019), safe to share between threads."""

    def __init__(self, *, longer_side_px: int, min_confidence: float) -> None:
        """Loads the models.

        Args:
            longer_side_px: of the shrunken frame that it looks at first.
            min_confidence: least confidence of a detection, in [0, 1].

        Raises:
            AssetError: the weights are not there.
        """
        self._longer_side_px = longer_side_px
        self._lock = threading.Lock()
        self._mediapipe = mediapipe_library.load()
        self._min_confidence = min_confidence
        self._least_near = min_confidence * _NEAR_CONFIDENCE
        self._least_in_tiles = min_confidence + _TILE_MORE_CONFIDENCE
        self._models: dict[tuple[str, float], Any] = {}
        for name in ("full_range", "short_range"):
            self._model(name, min_confidence)

    def detect(self, frame: Frame, *, known: Sequence[Detection] = (), closely: bool = True) -> list[Detection]:
        """Returns the faces of a frame; a second, closer look is only taken where the first finds nothing."""
        picture = frame.shrunken(self._longer_side_px)
        scale = (frame.width / picture.shape[1], frame.height / picture.shape[0])
        with self._lock:
            return (
                self._look("full_range", picture, (0, 0), scale)
                or self._look("short_range", picture, (0, 0), scale)
                or self._look_near(frame, [one for one in known if self._is_sure(one)])
                or (self._look_at_tiles(frame) if closely else [])
            )

    def _is_sure(self, one: Detection) -> bool:
        return one.confidence >= self._min_confidence + (1 - self._min_confidence) * _SURE

    def look_closer(self, crop: NDArray[np.uint8]) -> float:
        """Returns how sure the short-range model is of a crop: what one model mistakes, the other seldom does."""
        with self._lock:
            found = self._look("short_range", crop, (0, 0), (1.0, 1.0))
        return max((one.confidence for one in found), default=0.0)

    def _look_near(self, frame: Frame, known: Sequence[Detection]) -> list[Detection]:
        """Looks at a square around all known faces with the short-range model, content with less."""
        square = square_around(known, frame.width, frame.height)
        if square is None:
            return []
        left, top, width, height = square
        picture = frame.square(left, top, width, _NEAR_SIZE_PX) if width == height else frame.shrunken(_NEAR_SIZE_PX)
        scale = (width / picture.shape[1], height / picture.shape[0])
        return self._look("short_range", picture, (left, top), scale, is_content=True)

    def _look_at_tiles(self, frame: Frame) -> list[Detection]:
        found: list[Detection] = []
        for left, top, side in tiles(frame.width, frame.height):
            tile = np.ascontiguousarray(frame.pixels[top : top + side, left : left + side])
            found += self._look("full_range", tile, (left, top), (1.0, 1.0))
        return without_doubles([one for one in found if one.confidence >= self._least_in_tiles])

    def _look(
        self,
        name: assets.BlazeFaceModel,
        picture: NDArray[np.uint8],
        origin: tuple[int, int],
        scale: tuple[float, float],
        *,
        is_content: bool = False,
    ) -> list[Detection]:
        model = self._model(name, self._least_near if is_content else self._min_confidence)
        image = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=picture)
        height, width = picture.shape[:2]
        return [_to_detection(one, (width, height), origin, scale) for one in model.detect(image).detections]

    def _model(self, name: assets.BlazeFaceModel, min_confidence: float) -> Any:
        if (name, min_confidence) not in self._models:
            self._models[name, min_confidence] = _load(name, min_confidence)
        return self._models[name, min_confidence]


def open_detector(spec: ClipSpec) -> Detector:
    """Returns the detector that a spec names."""
    return BlazeFace(longer_side_px=spec.detector_size_px, min_confidence=spec.min_confidence)


def square_around(known: Sequence[Detection], width: int, height: int) -> tuple[int, int, int, int] | None:
    """Returns (left, top, width, height): a square of a frame with known faces and room to move, or the whole frame.

    Args:
        known: the faces.
        width: of the frame.
        height: of the frame.

    Returns:
        None if there is no face, or one that would be too small in it.
    """
    if not known:
        return None
    boxes = np.array([one.box_xyxy_px for one in known], np.float64)
    sizes = (boxes[:, 2:] - boxes[:, :2]).max(1)
    (left, top), (right, bottom) = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    side = 2 * math.ceil(max(right - left, bottom - top) / 2 + sizes.max() * _NEAR_REACH)
    is_whole = side > min(width, height)
    if sizes.min() < (max(width, height) if is_whole else side) * _NEAR_LEAST_SHARE:
        return None
    if is_whole:
        return 0, 0, width, height
    # Even numbers, as colour is stored for two by two pixels; a square that reached outside would cost more.
    inside = (
        min(max(0.0, middle - side / 2), length - side)
        for middle, length in (((left + right) / 2, width), ((top + bottom) / 2, height))
    )
    left, top = (2 * int(start / 2) for start in inside)
    return left, top, side, side


def tiles(width: int, height: int) -> list[tuple[int, int, int]]:
    """Returns (left, top, side) of overlapping squares that cover a frame."""
    side = max(1, round(min(width, height) * _TILE_SHARE))
    return [(left, top, side) for top in _tile_starts(height, side) for left in _tile_starts(width, side)]


def _tile_starts(length: int, side: int) -> list[int]:
    step = side * (1 - _TILE_OVERLAP)
    num_steps = max(0, int(np.ceil((length - side) / step)))
    return [round((length - side) * number / num_steps) for number in range(num_steps + 1)] if num_steps else [0]


def without_doubles(found: list[Detection]) -> list[Detection]:
    """Returns the detections without those that overlap a more confident one by half."""
    kept: list[Detection] = []
    for one in sorted(found, key=lambda detection: -detection.confidence):
        if all(overlap(one.box_xyxy_px, other.box_xyxy_px) < 0.5 for other in kept):
            kept.append(one)
    return kept


def overlap(box: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Returns the area that two boxes share, as a share of the smaller one's, in [0, 1]."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]), (other[2] - other[0]) * (other[3] - other[1]))
    return max(0.0, width) * max(0.0, height) / smaller if smaller > 0 else 0.0


def _to_detection(found: Any, size: tuple[int, int], origin: tuple[int, int], scale: tuple[float, float]) -> Detection:
    box = found.bounding_box
    left, top = origin[0] + box.origin_x * scale[0], origin[1] + box.origin_y * scale[1]
    keypoints = np.zeros((NUM_KEYPOINTS, 2), np.float32)
    for number, point in enumerate(found.keypoints[:NUM_KEYPOINTS]):
        keypoints[number] = origin[0] + point.x * size[0] * scale[0], origin[1] + point.y * size[1] * scale[1]
    return Detection(
        box_xyxy_px=(left, top, left + box.width * scale[0], top + box.height * scale[1]),
        confidence=float(found.categories[0].score),
        keypoints_px=keypoints,
    )


def _load(name: assets.BlazeFaceModel, min_confidence: float) -> Any:
    path = assets.blazeface_path(name)
    vision = mediapipe_library.load().tasks.vision
    options = vision.FaceDetectorOptions(
        base_options=mediapipe_library.load().tasks.BaseOptions(model_asset_buffer=path.read_bytes()),
        min_detection_confidence=min_confidence,
    )
    with native_output.silenced():
        model = vision.FaceDetector.create_from_options(options)
        # The first look prints, too.
        mediapipe = mediapipe_library.load()
        model.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.zeros((64, 64, 3), np.uint8)))
    _open_models.add(model)
    return model


@atexit.register
def _leave_to_the_system() -> None:
    """MediaPipe closes a model when it is collected, and fails noisily if that is when the interpreter goes down."""
    for model in _open_models:
        model._handle = None
