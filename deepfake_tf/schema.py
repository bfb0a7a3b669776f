"""The contract between the parts: settings, names and codes that outlive a process.

Nothing here does any work. What is stored (records, run.json, a servable's spec) carries a version, and a reader
refuses a version that it does not know.
"""

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import plain
from deepfake_tf.errors import ConfigError, ServableError

_T = TypeVar("_T")

# Labels -------------------------------------------------------------------------------------------------------------

REAL = 0
FAKE = 1
LABEL_NAMES = ("real", "fake")
NO_LABEL = -1
"""How a record says that its video has no label."""

SPLITS = ("train", "val", "test")


@plain.travels
class Outcome(StrEnum):
    """What became of one video; the same words stand in failures.csv and in verdicts."""

    OK = "OK"
    NO_FACE = "NO_FACE"
    UNREADABLE = "UNREADABLE"
    TOO_LARGE = "TOO_LARGE"
    TOO_LONG = "TOO_LONG"
    TIMEOUT = "TIMEOUT"


# Record keys (SequenceExample) --------------------------------------------------------------------------------------
# MediaSequence's keys, where it has one.

RECORD_VERSION = 1

KEY_VERSION = "schema_version"
KEY_EXAMPLE_ID = "example/id"
KEY_VIDEO_ID = "clip/media_id"
KEY_TRACK_ID = "clip/track_id"
KEY_LABEL_INDEX = "clip/label/index"
KEY_LABEL_STRING = "clip/label/string"
KEY_GROUP = "clip/group"
KEY_FPS = "clip/frames_per_second"
KEY_WIDTH = "image/width"
KEY_HEIGHT = "image/height"

KEY_CROP = "image/encoded"
KEY_TIMESTAMP = "image/timestamp"
KEY_FRAME_INDEX = "image/index"
KEY_MASK = "mask"
KEY_BOX = "face/box_xyxy_px"
KEY_KEYPOINTS = "face/keypoints_crop_px"
KEY_CONFIDENCE = "face/confidence"
KEY_SHARPNESS = "face/sharpness"

# Servables ----------------------------------------------------------------------------------------------------------

SIGNATURE_JPEG = "serving_default"
SIGNATURE_PIXELS = "pixels"
SIGNATURE_SPEC = "spec"
INPUT_CLIPS = "clips"
INPUT_MASK = "mask"
INPUT_SPEC_REQUEST = "request"
OUTPUT_LOGIT = "logit"
OUTPUT_SCORE = "score"
OUTPUT_SPEC = "spec"

MODEL_NAME = "detector"
GATEWAY_PORT = 50051
MODEL_SERVER_PORT = 8500
MODEL_SERVER_REST_PORT = 8501

NUM_KEYPOINTS = 6
"""BlazeFace's: right eye, left eye, nose tip, mouth centre, right ear, left ear (the person's right and left)."""


@dataclass(frozen=True)
class ClipSpec:
    """How a video becomes clips. A model is only right on clips made by the spec it was trained with.

    Attributes:
        num_frames: T, crops per clip.
        frame_stride: step between the frames of a clip, in frames of the video (placements "even" and "all").
        clips_per_video: K, for placements "even" and "spread".
        placement: "even": K clips of consecutive frames (at the stride), evenly placed, exact frames; "spread": the
            video is cut into K equal parts and the T frames of each clip are spread over its part, settling on the
            nearest frame that is cheap to have; "all": a clip every `clip_stride` frames.
        clip_stride: step between clip starts, in frames of the video (placement "all").
        crop_size_px: H = W of a crop.
        margin: what is added to the face's box on each side, as a share of the box's longer side.
        alignment: "none", or "eyes": the crop is turned so that the eyes lie level.
        jpeg_quality: of the stored crops, 1 to 100.
        jpeg_subsampling: chroma subsampling of the stored crops.
        detector: name of the face detector.
        detector_size_px: longer side of the frame that the detector sees. Frames 1920 pixels wide are halved twice to
            480, which takes half the time that 512 would.
        min_confidence: least confidence of a detection, in [0, 1].
        detect_every: a face is looked for in every n-th sampled frame; in those between only where it does not lie on
            the way from one look to the next.
        max_tracks: at most this many faces of a video are kept, the most prominent ones.
    """

    num_frames: int = 8
    frame_stride: int = 1
    clips_per_video: int = 4
    placement: Literal["even", "spread", "all"] = "even"
    clip_stride: int = 8
    crop_size_px: int = 128
    margin: float = 0.3
    alignment: Literal["none", "eyes"] = "none"
    jpeg_quality: int = 95
    jpeg_subsampling: Literal["4:4:4", "4:2:0"] = "4:4:4"
    detector: str = "blazeface"
    detector_size_px: int = 480
    min_confidence: float = 0.5
    detect_every: int = 4
    max_tracks: int = 4

    def __post_init__(self) -> None:
        _check_at_least_one(self, "num_frames", "frame_stride", "clips_per_video", "clip_stride")
        _check_at_least_one(self, "detect_every", "max_tracks")
        _check_range(self, "crop_size_px", 16, 1024)
        _check_range(self, "margin", 0.0, 2.0)
        _check_range(self, "jpeg_quality", 1, 100)
        _check_range(self, "detector_size_px", 64, 4096)
        _check_range(self, "min_confidence", 0.0, 1.0)
        _check_choice(self, "placement", ("even", "spread", "all"))
        _check_choice(self, "alignment", ("none", "eyes"))
        _check_choice(self, "jpeg_subsampling", ("4:4:4", "4:2:0"))

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Returns the spec that `to_json` wrote.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        return _from_json(cls, values)

    def fingerprint(self) -> str:
        """Returns 16 hex digits that are equal for equal settings."""
        return fingerprint(self.to_json())


@dataclass(frozen=True)
class Limits:
    """What one video may cost. They bound the work on hostile input and never change the clips of a video within them.

    Attributes:
        max_bytes: size of the file.
        max_duration_sec: length of the video.
        max_pixels: width times height of a frame.
        max_faces: faces that are followed through the video, each as long as it is seen.
        time_limit_sec: wall-clock time that extraction of one video may take.
        memory_limit_bytes: address space added by the worker while it extracts.
    """

    max_bytes: int = 2 * 1024**3
    max_duration_sec: float = 3600.0
    max_pixels: int = 8192 * 4352
    max_faces: int = 1000
    time_limit_sec: float = 600.0
    memory_limit_bytes: int = 4 * 1024**3


@plain.travels
@dataclass(frozen=True)
class Clip:
    """T crops of one face, in order of time. Where `mask` is False the crop is blank and the other values are zero.

    Attributes:
        clip_id: unique within a video: "<track_id>/<number>".
        track_id: which face of the video, 0 for the most prominent.
        crops: T JPEG files of [H, W, 3] RGB.
        mask: bool [T], which of the crops are there.
        timestamps_us: int64 [T], time of each frame in microseconds from the start of the video.
        frame_indices: int64 [T], number of each frame in order of presentation, from 0.
        boxes_xyxy_px: float32 [T, 4], the face's box in the frame, without margin.
        keypoints_crop_px: float32 [T, 6, 2], x and y of BlazeFace's key points in the crop.
        confidences: float32 [T] in [0, 1], the detector's.
        sharpness: float32 [T], variance of the crop's Laplacian in squared grey levels; low is blurred.
    """

    clip_id: str
    track_id: int
    crops: tuple[bytes, ...]
    mask: NDArray[np.bool_]
    timestamps_us: NDArray[np.int64]
    frame_indices: NDArray[np.int64]
    boxes_xyxy_px: NDArray[np.float32]
    keypoints_crop_px: NDArray[np.float32]
    confidences: NDArray[np.float32]
    sharpness: NDArray[np.float32]


JOINING_RULES = ("mean", "max_track", "trimmed_mean", "confident_vote")
"""How clip logits make a video's logit; joining.py says how."""


@dataclass(frozen=True)
class Calibration:
    """The map from a video's joined logit to a calibrated score.

    Without knots it is sigmoid(scale * logit + offset): temperature scaling if the offset is 0 (Guo et al. 2017),
    Platt's otherwise (Platt 1999). With knots it is a rising line through them, level beyond the first and the last:
    isotonic regression (Zadrozny and Elkan 2002).

    Attributes:
        scale: above 0, so that the order of videos stays; 1 / temperature.
        offset: added to the scaled logit.
        logits: of the knots, rising; empty for none.
        scores: of the knots, in [0, 1], never falling.
    """

    scale: float = 1.0
    offset: float = 0.0
    logits: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise ConfigError(
                f"Calibration.scale must be above 0 so that the order of videos stays. Received: {self.scale}"
            )
        for name in ("logits", "scores"):  # JSON has lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        rising = all(first < second for first, second in itertools.pairwise(self.logits))
        within = all(0 <= first <= second <= 1 for first, second in itertools.pairwise((0.0, *self.scores, 1.0)))
        if len(self.logits) != len(self.scores) or not rising or not within:
            raise ConfigError(
                "The knots of a Calibration need rising logits, and as many scores from 0 to 1 that never fall. "
                f"Received: logits {self.logits}, scores {self.scores}"
            )

    @property
    def method(self) -> str:
        """What it is called: "none", "temperature", "platt" or "isotonic"."""
        if self.logits:
            return "isotonic"
        return "platt" if self.offset else "temperature" if self.scale != 1 else "none"


SERVABLE_VERSION = 3

SCORE_BINS = 20
"""Equal parts of [0, 1] that a histogram of scores counts."""


@dataclass(frozen=True)
class ServableSpec:
    """What a servable says of itself through its `spec` signature: all that is needed to judge a video with it.

    Attributes:
        clip_spec: how it wants its clips made.
        model_name: name it is served under.
        model_version: its version folder.
        joining: name of the rule that joins clip logits to a video's logit, one of JOINING_RULES.
        calibration: from joined logit to score.
        threshold: a score at or above it is FAKE, in [0, 1].
        band: half-width of the inconclusive band around the threshold, in score, 0 for none.
        training_data: fingerprint of the shards it was trained on.
        score_histogram: how many videos of the split that it was calibrated on have a calibrated score in each of
            SCORE_BINS equal parts of [0, 1], against which drift is seen; empty where it is not known.
        format_version: of this very text.
    """

    clip_spec: ClipSpec
    model_name: str = MODEL_NAME
    model_version: int = 1
    joining: str = "mean"
    calibration: Calibration = field(default_factory=Calibration)
    threshold: float = 0.5
    band: float = 0.0
    training_data: str = ""
    score_histogram: tuple[int, ...] = ()
    format_version: int = SERVABLE_VERSION

    def __post_init__(self) -> None:
        _check_choice(self, "joining", JOINING_RULES)
        _check_range(self, "threshold", 0.0, 1.0)
        _check_range(self, "band", 0.0, 0.5)
        object.__setattr__(self, "score_histogram", tuple(self.score_histogram))  # JSON has lists
        counts = self.score_histogram
        if counts and (len(counts) != SCORE_BINS or any(not isinstance(one, int) or one < 0 for one in counts)):
            raise ConfigError(f"score_histogram must hold {SCORE_BINS} counts, or nothing. Received: {counts}")

    def to_text(self) -> str:
        """Returns the JSON text that the `spec` signature answers with."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Returns the spec that `to_text` wrote.

        Raises:
            ServableError: it is no such text, or one of another format version.
        """
        try:
            values = dict(json.loads(text))
        except ValueError as error:
            raise ServableError(f"The servable's spec is no JSON object ({error}). Received: {text[:80]!r}") from error
        version = values.get("format_version")
        if version != SERVABLE_VERSION:
            raise ServableError(
                f"The servable's spec has format version {version}; this program reads version {SERVABLE_VERSION}. "
                "Export the model again, or use the deepfake-tf release that exported it."
            )
        values["clip_spec"] = ClipSpec.from_json(values["clip_spec"])
        values["calibration"] = _from_json(Calibration, values["calibration"])
        return _from_json(cls, values)

    def fingerprint(self) -> str:
        """Returns 16 hex digits that are equal for equal specs."""
        return fingerprint(dataclasses.asdict(self))


def fingerprint(values: object) -> str:
    """Returns 16 hex digits that are equal for equal JSON values."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _from_json(kind: type[_T], values: Mapping[str, Any]) -> _T:
    known = {one.name for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(
            f"Unknown settings of {kind.__name__}: {', '.join(unknown)}. Known: {', '.join(sorted(known))}."
        )
    return kind(**values)


def _check_at_least_one(settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{name} must be a whole number of 1 or more. Received: {name}={value!r}")


def _check_range(settings: object, name: str, low: float, high: float) -> None:
    value = getattr(settings, name)
    if not isinstance(value, (int, float)) or not low <= value <= high:
        raise ConfigError(f"{name} must lie between {low} and {high}. Received: {name}={value!r}")


def _check_choice(settings: object, name: str, choices: tuple[str, ...]) -> None:
    value = getattr(settings, name)
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}. Received: {name}={value!r}")
