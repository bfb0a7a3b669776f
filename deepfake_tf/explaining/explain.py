"""Why a model says what it says of a video, or of the videos of a split that it is surest, most wrong or least sure of.

OUT/overlay.mp4           the video with box, heat map and score over time
OUT/sheet.html            clips as strips, as they are and with the heat laid over them
OUT/explanation.json      what was looked at, and how far it can be trusted; written last
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic, contact_sheet, extraction
from deepfake_tf.batching.clip_table import ClipTable, list_clips
from deepfake_tf.contact_sheet import Row, Section, Strip
from deepfake_tf.decoding.video import Video
from deepfake_tf.degrading.robustness_cells import decode_crops
from deepfake_tf.errors import DataError
from deepfake_tf.explaining import overlay, saliency
from deepfake_tf.explaining.overlay import Judged, Told
from deepfake_tf.judging import decision, scoring, verdict
from deepfake_tf.judging.decision import Decision
from deepfake_tf.runs import load_run
from deepfake_tf.schema import FAKE, INPUT_CLIPS, INPUT_MASK, LABEL_NAMES, Clip, ClipSpec, Outcome

EXPLANATION_VERSION = 1
RESULT_FILE = "explanation.json"
OVERLAY_FILE = "overlay.mp4"
SHEET_FILE = "sheet.html"

# Of the clips that follow each other through a video; more would show no more.
_MOST_CLIPS = 120
_CLIPS_CHECKED = 3
_VIDEOS_EACH = 6
_BATCH_SIZE = 16
_STRIP_PX = 128
# A single hot cell of the whole video would leave all others dark.
_BRIGHTEST = 0.98

OnProgress = Callable[[str, float], None]
"""Takes the name of a stage and the share of it that is done, in [0, 1]."""


@dataclass(frozen=True)
class Explaining:
    """How it is explained.

    Attributes:
        method: one of saliency.METHODS, what suits the backbone if empty.
        max_sec: seconds of a video that are drawn.
        split: of a folder of shards.
        seed: of the weights drawn anew for the sanity test.
    """

    method: str = ""
    max_sec: float = 60.0
    split: str = "test"
    seed: int = 0


def explain_video(
    run_dir: Path | str,
    video: Path | str,
    out_dir: Path | str,
    settings: Explaining,
    *,
    on_progress: OnProgress = lambda stage, share: None,
) -> dict[str, Any]:
    """Explains what a model says of one video.

    Args:
        run_dir: a finished run.
        video: the file.
        out_dir: where the results are written; made if it is not there.
        settings: how.
        on_progress: is told how far it is.

    Returns:
        What explanation.json holds; with an outcome other than OK nothing is written.

    Raises:
        ConfigError: there is no run or no such file, or the method does not suit the model.
    """
    video, out_dir = Path(video), Path(out_dir)
    model, run = load_run(run_dir)
    chosen, _ = decision.read(run_dir, run)
    spec = ClipSpec.from_json(run["data"]["clip_spec"])
    found = extraction.extract(video, spec, on_progress=on_progress)
    if found.outcome != Outcome.OK:
        return {"outcome": str(found.outcome), "reason": found.reason}
    score = verdict.score(_joined(model, found.clips, chosen), chosen.calibration)
    clips = extraction.extract(video, _following(spec, video), on_progress=on_progress).clips or found.clips
    judged, told = _judge(model, clips, chosen, settings)
    on_progress("checking", 0.0)
    checks = _check(model, judged, told.method, settings)
    out_dir.mkdir(parents=True, exist_ok=True)
    answer = verdict.answer(score, threshold=chosen.threshold, band=chosen.band)
    line = f"{answer}: score {score:.2f}, threshold {chosen.threshold:.2f}"
    shown = Told(line, told.about, chosen.threshold, settings.max_sec)
    overlay.write_overlay(
        video, out_dir / OVERLAY_FILE, spec, judged, shown, lambda share: on_progress("drawing", share)
    )
    contact_sheet.write_sheet(out_dir / SHEET_FILE, f"{video.name}: {line}; {told.about}", _sections_of(judged))
    return _write(
        out_dir,
        {
            "outcome": str(Outcome.OK),
            "reason": found.reason,
            "video": str(video),
            "run_path": str(run_dir),
            "score": score,
            "answer": str(answer),
            "threshold": chosen.threshold,
            "band": chosen.band,
            "method": told.method,
            "about": told.about,
            "checks": checks,
            "clips": [_described(one) for one in judged],
        },
    )


def explain_split(
    run_dir: Path | str,
    data_dir: Path | str,
    out_dir: Path | str,
    settings: Explaining,
    *,
    on_progress: OnProgress = lambda stage, share: None,
) -> dict[str, Any]:
    """Shows the videos of a split that a model is right about most surely, wrong about most surely, and least sure of.

    Args:
        run_dir: a finished run.
        data_dir: a finished extraction.
        out_dir: where the results are written; made if it is not there.
        settings: how.
        on_progress: is told how far it is.

    Returns:
        What explanation.json holds.

    Raises:
        ConfigError: there is no run, or the method does not suit the model.
        DataError: the split has no labelled clips.
    """
    out_dir = Path(out_dir)
    model, run = load_run(run_dir)
    chosen, _ = decision.read(run_dir, run)
    table = list_clips(data_dir, [settings.split]).labelled()
    if not len(table):
        raise DataError(f"The split {settings.split!r} of {data_dir} has no labelled clips to explain.")
    # The middle ones, if more are stored.
    table = table.with_num_frames(run["data"]["clip_spec"]["num_frames"])
    logits = scoring.predict_logits(
        model, table, on_progress=lambda done, total: on_progress("scoring clips", done / total)
    )
    videos = scoring.join_videos(table, logits, joining=chosen.joining, calibration=chosen.calibration)
    picks = pick(videos.labels, videos.scores, chosen.threshold)
    sections, rows, about = [], [], ""
    for title, numbers in picks.items():
        shown = []
        for number in numbers:
            row = _clearest(table, logits, videos.video_ids[number], videos.logits[number])
            strips, about = _strips(model, table, row, settings)
            truth = LABEL_NAMES[videos.labels[number]]
            shown.append(Row(f"{videos.video_ids[number]}: is {truth}, score {videos.scores[number]:.3f}", strips))
            rows.append({"kind": title, "video_id": videos.video_ids[number], "score": float(videos.scores[number])})
            on_progress("heat maps", len(rows) / sum(len(one) for one in picks.values()))
        sections.append(Section(title, tuple(shown)))
    out_dir.mkdir(parents=True, exist_ok=True)
    contact_sheet.write_sheet(out_dir / SHEET_FILE, f"Split {settings.split}; {about}", sections)
    source = {"run_path": str(run_dir), "data": str(data_dir), "split": settings.split}
    return _write(out_dir, {"outcome": str(Outcome.OK), **source, "about": about, "videos": rows})


def pick(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> dict[str, list[int]]:
    """Returns the numbers of the videos to look at, by what they are.

    Args:
        labels: int64 [V], 0 real and 1 fake.
        scores: float64 [V] in [0, 1].
        threshold: a score at or above it counts as fake.
    """
    margins = np.where(labels == FAKE, scores - threshold, threshold - scores)
    order = np.argsort(-margins, kind="stable")
    right = [int(one) for one in order if (scores[one] >= threshold) == (labels[one] == FAKE)]
    wrong = [int(one) for one in order[::-1] if (scores[one] >= threshold) != (labels[one] == FAKE)]
    unsure = np.argsort(np.abs(scores - threshold), kind="stable").tolist()
    reals, fakes = ([one for one in right if (labels[one] == FAKE) == is_fake] for is_fake in (False, True))
    half = _VIDEOS_EACH // 2
    return {
        "right and sure": [*reals[:half], *fakes[:half]],
        "wrong and sure": wrong[:_VIDEOS_EACH],
        "least sure": unsure[:_VIDEOS_EACH],
    }


# Clips of one video ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Method:
    method: str
    about: str


def _following(spec: ClipSpec, video: Path) -> ClipSpec:
    """Clips that follow each other through the whole video, made as the model's are; fewer of a long one."""
    length = spec.num_frames * spec.frame_stride
    stride = max(length, -(-len(Video(video).timeline) // _MOST_CLIPS))
    return dataclasses.replace(spec, placement="all", clip_stride=stride)


def _arrays(clips: Sequence[Clip]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    return np.stack([decode_crops(one.crops, one.mask) for one in clips]), np.stack([one.mask for one in clips])


def _logits(model: keras.Model, clips: Sequence[Clip]) -> NDArray[np.float64]:
    parts = []
    for begin in range(0, len(clips), _BATCH_SIZE):
        pixels, mask = _arrays(clips[begin : begin + _BATCH_SIZE])
        parts.append(np.asarray(model.predict_on_batch({INPUT_CLIPS: pixels, INPUT_MASK: mask}), np.float64))
    return np.concatenate(parts)


def _joined(model: keras.Model, clips: Sequence[Clip], chosen: Decision) -> float:
    return verdict.join(_logits(model, clips), [one.track_id for one in clips], chosen.joining)[0]


def _judge(
    model: keras.Model, clips: Sequence[Clip], chosen: Decision, settings: Explaining
) -> tuple[list[Judged], _Method]:
    scores = [verdict.score(float(logit), chosen.calibration) for logit in _logits(model, clips)]
    maps, told = [], _Method("", "")
    for begin in range(0, len(clips), _BATCH_SIZE):
        found = saliency.explain(model, *_arrays(clips[begin : begin + _BATCH_SIZE]), method=settings.method)
        maps += list(found.maps)
        told = _Method(found.method, found.about)
    # On one scale, so that what is bright in one clip is as bright in another; and little where the score is low.
    highest = float(np.quantile(np.stack(maps), _BRIGHTEST)) or max(float(one.max()) for one in maps) or 1.0
    heats = [np.clip(one / highest, 0, 1) * score for one, score in zip(maps, scores, strict=True)]
    return [Judged(*one) for one in zip(clips, scores, heats, strict=True)], told


def _check(model: keras.Model, judged: Sequence[Judged], method: str, settings: Explaining) -> dict[str, Any]:
    """Holds the maps of the highest clips against occlusion, and against those of a model without its knowledge."""
    highest = sorted(judged, key=lambda one: -one.score)[:_CLIPS_CHECKED]
    pixels, mask = _arrays([one.clip for one in highest])
    own = _means(saliency.explain(model, pixels, mask, method=method).maps, mask)
    anew = saliency.randomised(model, settings.seed)
    return {
        "agreement_with_occlusion": _mean_agreement(own, _means(saliency.occlusion(model, pixels, mask), mask)),
        "agreement_with_random_weights": _mean_agreement(
            own, _means(saliency.explain(anew, pixels, mask, method=method).maps, mask)
        ),
    }


def _means(maps: NDArray[np.float32], mask: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
    return [one[there].mean(axis=0) for one, there in zip(maps, mask, strict=True)]


def _mean_agreement(first: Sequence[NDArray], second: Sequence[NDArray]) -> float | None:
    found = [saliency.agreement(*pair) for pair in zip(first, second, strict=True)]
    known = [one for one in found if np.isfinite(one)]
    return float(np.mean(known)) if known else None


def _described(one: Judged) -> dict[str, Any]:
    seen = one.clip.timestamps_us[one.clip.mask]
    span = {"start_sec": int(seen.min()) / 1e6, "end_sec": int(seen.max()) / 1e6}
    return {"track_id": one.clip.track_id, **span, "score": one.score}


# Sheets ---------------------------------------------------------------------------------------------------------------


def _sections_of(judged: Sequence[Judged]) -> list[Section]:
    highest = sorted(judged, key=lambda one: -one.score)
    few = {"highest scores": highest[:_VIDEOS_EACH], "lowest scores": highest[::-1][:_VIDEOS_EACH]}
    return [Section(title, tuple(_row(one) for one in own)) for title, own in few.items()]


def _row(one: Judged) -> Row:
    pixels = decode_crops(one.clip.crops, one.clip.mask)
    own = _described(one)
    caption = f"face {own['track_id'] + 1}, {own['start_sec']:.1f} to {own['end_sec']:.1f} s, score {one.score:.3f}"
    return Row(caption, (Strip("as it is", pixels, _STRIP_PX), Strip("heat", _heated(pixels, one.heat), _STRIP_PX)))


def _heated(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    size = pixels.shape[2], pixels.shape[1]
    large = [cv2.resize(one, size, interpolation=cv2.INTER_CUBIC) for one in heat]
    return np.stack([overlay.blend_heat(frame, one) for frame, one in zip(pixels, large, strict=True)])


def _clearest(table: ClipTable, logits: NDArray[np.float64], video_id: str, joined: float) -> int:
    """The clip of a video that says most plainly what the video's logit says."""
    own = [row for row, name in enumerate(table.video_ids) if name == video_id]
    return max(own, key=lambda row: logits[row] if joined >= 0 else -logits[row])


def _strips(model: keras.Model, table: ClipTable, row: int, settings: Explaining) -> tuple[tuple[Strip, ...], str]:
    crops, mask = table.read(row)
    pixels = decode_crops(crops, mask)
    found = saliency.explain(model, pixels[None], mask[None], method=settings.method)
    check = saliency.occlusion(model, pixels[None], mask[None])
    # Each by itself: a real clip has little that looks fake, and what there is shall be seen.
    heats = [one[0] / (float(one.max()) or 1.0) for one in (found.maps, check)]
    strips = [
        Strip(f"heat, {name}", _heated(pixels, heat), _STRIP_PX)
        for name, heat in zip((found.method, "occlusion"), heats, strict=True)
    ]
    return (Strip("as it is", pixels, _STRIP_PX), *strips), found.about


def _write(out_dir: Path, results: dict[str, Any]) -> dict[str, Any]:
    results = {"format_version": EXPLANATION_VERSION, **results}
    atomic.write_whole(out_dir / RESULT_FILE, (json.dumps(results, indent=2) + "\n").encode())
    return results
