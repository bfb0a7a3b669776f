"""From clip logits to the answer for a video: joining, calibration, threshold.

    clip logits --join--> track logits, video logit --score--> calibrated scores --decide--> Verdict

Training reports, the gateway and the command line all come through here, so one video gets one answer everywhere.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake_tf.errors import ConfigError, ServableError
from deepfake_tf.judging import joining
from deepfake_tf.schema import JOINING_RULES, Calibration, Clip, Outcome, ServableSpec

MAX_CLIPS_SHOWN = 8
"""Of one face, in a description; JSON holds them all."""

_BOX_EDGES = ("leftPx", "topPx", "rightPx", "bottomPx")


class Answer(StrEnum):
    """What a verdict says. A video without a judged face is never REAL and never FAKE."""

    REAL = "REAL"
    FAKE = "FAKE"
    INCONCLUSIVE = "INCONCLUSIVE"
    NO_FACE = "NO_FACE"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True)
class FaceBox:
    """Where a face is seen: its box in one frame as displayed, without margin, and the time of that frame."""

    at_sec: float
    box_xyxy_px: tuple[float, float, float, float]


@dataclass(frozen=True)
class ClipScore:
    """One clip's share in a verdict: its score in [0, 1], where it lies in the video, and its sharpest face."""

    start_sec: float
    end_sec: float
    score: float
    face: FaceBox | None = None


@dataclass(frozen=True)
class TrackScore:
    """One face's share in a verdict: its number in the video, its score in [0, 1] and its clips in order of time."""

    id: int
    score: float
    clips: tuple[ClipScore, ...]


@dataclass(frozen=True)
class ModelId:
    """Which model judged, and by which spec."""

    name: str
    version: int
    spec_hash: str


@dataclass(frozen=True)
class Verdict:
    """The answer for one video.

    Attributes:
        verdict: the answer itself.
        outcome: what became of the video on its way to clips; UNREADABLE stands for all but OK and NO_FACE.
        reason: why the verdict is what it is, one line.
        score: calibrated P(fake) in [0, 1]; None where nothing was judged.
        threshold: a score at or above it is FAKE.
        band: scores nearer than this to the threshold are INCONCLUSIVE.
        coverage: share of the sampled frames with a judged face, in [0, 1].
        tracks: the faces, the most prominent first.
        model: which model judged.
        timing_ms: milliseconds by stage.
        request_id: what the caller called this request.
    """

    verdict: Answer
    outcome: Outcome
    reason: str
    score: float | None
    threshold: float
    band: float
    coverage: float
    tracks: tuple[TrackScore, ...]
    model: ModelId
    timing_ms: Mapping[str, float] = field(default_factory=dict)
    request_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns what the canonical JSON of `deepfake.v1.Verdict` holds; what is absent or empty is left out."""
        return _without_empty(
            verdict=str(self.verdict),
            outcome=str(self.outcome),
            reason=self.reason,
            score=self.score,
            threshold=self.threshold,
            band=self.band,
            coverage=self.coverage,
            tracks=[_track_to_json(track) for track in self.tracks],
            # A 64-bit integer is text in canonical JSON.
            model=_without_empty(name=self.model.name, version=str(self.model.version), specHash=self.model.spec_hash),
            timingMs=dict(self.timing_ms),
            requestId=self.request_id,
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Returns the verdict that `to_json` wrote.

        Raises:
            ValueError: it is none, or says something that this release does not know.
        """
        try:
            model = values.get("model", {})
            return cls(
                verdict=Answer(values["verdict"]),
                outcome=Outcome(values["outcome"]),
                reason=values.get("reason", ""),
                score=values.get("score"),
                threshold=values["threshold"],
                band=values["band"],
                coverage=values["coverage"],
                tracks=tuple(_track_from_json(track) for track in values.get("tracks", [])),
                model=ModelId(model.get("name", ""), int(model["version"]), model.get("specHash", "")),
                timing_ms=values.get("timingMs", {}),
                request_id=values.get("requestId", ""),
            )
        except KeyError as error:
            raise ValueError(f"A verdict lacks {error}. Is the other side of another release?") from error


class Extracted(Protocol):
    """What a verdict needs to know of an extraction (extraction.Extraction has it)."""

    @property
    def outcome(self) -> Outcome: ...  # noqa: D102

    @property
    def reason(self) -> str: ...  # noqa: D102

    @property
    def clips(self) -> tuple[Clip, ...]: ...  # noqa: D102

    @property
    def coverage(self) -> float: ...  # noqa: D102

    @property
    def timing_ms(self) -> Mapping[str, float]: ...  # noqa: D102


def join(clip_logits: ArrayLike, track_ids: Sequence[int], rule: str = "mean") -> tuple[float, dict[int, float]]:
    """Joins the logits of one video's clips.

    Args:
        clip_logits: float [N], N >= 1.
        track_ids: N numbers, the face that each clip shows.
        rule: one of schema.JOINING_RULES; joining.py says what each does.

    Returns:
        The video's logit, and each track's, not calibrated.

    Raises:
        ConfigError: there is no such rule.
        ValueError: there are no clips, or not one track id for each.
    """
    if rule not in JOINING_RULES:
        raise ConfigError(f"Unknown joining rule {rule!r}. Known: {', '.join(JOINING_RULES)}.")
    logits = np.asarray(clip_logits, np.float64)
    ids = np.asarray(track_ids)
    if logits.ndim != 1 or logits.shape != ids.shape or logits.size == 0:
        raise ValueError(
            f"Expected one logit and one track id for each of one or more clips. Received: logits of shape "
            f"{logits.shape}, track ids of shape {ids.shape}"
        )
    return joining.join_clips(logits, ids, rule)


def score(logit: float, calibration: Calibration = Calibration()) -> float:  # noqa: B008 (frozen)
    """Returns the calibrated P(fake) in [0, 1] of a joined logit."""
    if calibration.logits:
        return float(np.interp(logit, calibration.logits, calibration.scores))
    x = calibration.scale * logit + calibration.offset
    # exp of a positive number may overflow; this form never takes one.
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def answer(value: float, *, threshold: float, band: float) -> Answer:
    """Returns what a calibrated score means: FAKE from the threshold up, INCONCLUSIVE nearer to it than `band`."""
    if abs(value - threshold) < band:
        return Answer.INCONCLUSIVE
    return Answer.FAKE if value >= threshold else Answer.REAL


def decide(
    extraction: Extracted,
    clip_logits: ArrayLike,
    spec: ServableSpec,
    *,
    timing_ms: Mapping[str, float] | None = None,
    request_id: str = "",
) -> Verdict:
    """Makes the verdict on one video.

    Args:
        extraction: what became of the video.
        clip_logits: float [N], one for each of `extraction.clips`; empty where there are none.
        spec: of the servable that gave the logits.
        timing_ms: milliseconds of the stages after extraction.
        request_id: what the caller called this request.

    Raises:
        ServableError: a logit is not a finite number, or there is not one for each clip.
    """
    logits = np.asarray(clip_logits, np.float64)
    _check_logits(logits, len(extraction.clips))
    judged = extraction.outcome == Outcome.OK
    tracks: tuple[TrackScore, ...] = ()
    value = None
    if judged:
        video_logit, track_logits = join(logits, [clip.track_id for clip in extraction.clips], spec.joining)
        value = score(video_logit, spec.calibration)
        tracks = _track_scores(extraction.clips, logits, track_logits, spec.calibration)
    said = answer(value, threshold=spec.threshold, band=spec.band) if value is not None else None
    return Verdict(
        verdict=said or (Answer.NO_FACE if extraction.outcome == Outcome.NO_FACE else Answer.UNREADABLE),
        outcome=extraction.outcome,
        reason="; ".join(one for one in (_reason(said, value, spec), extraction.reason.rstrip(".")) if one),
        score=value,
        threshold=spec.threshold,
        band=spec.band,
        coverage=extraction.coverage,
        tracks=tracks,
        model=ModelId(spec.model_name, spec.model_version, spec.fingerprint()),
        timing_ms={**extraction.timing_ms, **(timing_ms or {})},
        request_id=request_id,
    )


def describe(verdict: Verdict) -> list[str]:
    """Returns a verdict as lines for people: the answer with its reason, then each face, then what it rests on."""
    lines = [f"{verdict.verdict}, {verdict.reason}" if verdict.reason else str(verdict.verdict)]
    for track in verdict.tracks:
        parts = [f"{clip.start_sec:.1f}-{clip.end_sec:.1f} s: {clip.score:.2f}" for clip in track.clips]
        more = [f"{len(parts) - MAX_CLIPS_SHOWN} more"] if len(parts) > MAX_CLIPS_SHOWN else []
        lines.append(f"  face {track.id + 1}: score {track.score:.3f} ({', '.join(parts[:MAX_CLIPS_SHOWN] + more)})")
    seen = f"a face in {verdict.coverage:.0%} of the frames looked at; " if verdict.tracks else ""
    took = f"{sum(verdict.timing_ms.values()) / 1000:.1f} s"
    return [*lines, f"  {seen}model {verdict.model.name} version {verdict.model.version}; {took}"]


def _check_logits(logits: NDArray[np.float64], num_clips: int) -> None:
    if logits.shape != (num_clips,) or not np.all(np.isfinite(logits)):
        raise ServableError(
            f"The model must give one finite logit for each of {num_clips} clips. Received: shape {logits.shape}, "
            f"{int(np.sum(~np.isfinite(logits)))} not finite. Export the model again, or look at its training."
        )


def _track_scores(
    clips: Sequence[Clip], logits: NDArray[np.float64], track_logits: Mapping[int, float], calibration: Calibration
) -> tuple[TrackScore, ...]:
    tracks = []
    for track_id, track_logit in sorted(track_logits.items()):
        own = [
            _clip_score(clip, float(logit), calibration)
            for clip, logit in zip(clips, logits, strict=True)
            if clip.track_id == track_id
        ]
        own.sort(key=lambda one: (one.start_sec, one.end_sec))
        tracks.append(TrackScore(id=track_id, score=score(track_logit, calibration), clips=tuple(own)))
    return tuple(tracks)


def _clip_score(clip: Clip, logit: float, calibration: Calibration) -> ClipScore:
    seen = clip.timestamps_us[clip.mask]
    start, end = (int(seen.min()), int(seen.max())) if seen.size else (0, 0)
    return ClipScore(start / 1e6, end / 1e6, score(logit, calibration), _sharpest_face(clip) if seen.size else None)


def _sharpest_face(clip: Clip) -> FaceBox:
    sharpest = int(np.argmax(np.where(clip.mask, clip.sharpness, -np.inf)))
    left, top, right, bottom = (round(float(edge), 1) for edge in clip.boxes_xyxy_px[sharpest])
    return FaceBox(int(clip.timestamps_us[sharpest]) / 1e6, (left, top, right, bottom))


def _reason(said: Answer | None, value: float | None, spec: ServableSpec) -> str:
    if said is None or value is None:
        return ""
    if said == Answer.INCONCLUSIVE:
        return f"score {value:.3f} is within {spec.band:g} of the threshold {spec.threshold:g}"
    return f"score {value:.3f} is {'at or above' if said == Answer.FAKE else 'below'} the threshold {spec.threshold:g}"


def _track_to_json(track: TrackScore) -> dict[str, Any]:
    return _without_empty(id=track.id, score=track.score, clips=[_clip_to_json(clip) for clip in track.clips])


def _clip_to_json(clip: ClipScore) -> dict[str, Any]:
    face = clip.face and {"atSec": clip.face.at_sec, **dict(zip(_BOX_EDGES, clip.face.box_xyxy_px, strict=True))}
    return _without_empty(startSec=clip.start_sec, endSec=clip.end_sec, score=clip.score, face=face)


def _track_from_json(values: Mapping[str, Any]) -> TrackScore:
    return TrackScore(values["id"], values["score"], tuple(_clip_from_json(clip) for clip in values.get("clips", [])))


def _clip_from_json(values: Mapping[str, Any]) -> ClipScore:
    face = values.get("face")
    if face:
        left, top, right, bottom = (face[edge] for edge in _BOX_EDGES)
        face = FaceBox(face["atSec"], (left, top, right, bottom))
    return ClipScore(values["startSec"], values["endSec"], values["score"], face)


def _without_empty(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}
