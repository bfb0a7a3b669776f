"""A video with what a model makes of it drawn in: the face's box, where it looks fake, and the score over time.

It is H.264 in an MP4 file, which browsers play, and appears whole.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import crops
from deepfake_tf.atomic import PARTIAL_SUFFIX
from deepfake_tf.decoding.frames import Frame
from deepfake_tf.decoding.video import Video
from deepfake_tf.degrading.reencoding import write_h264
from deepfake_tf.faces import Detection
from deepfake_tf.reporting import figures
from deepfake_tf.schema import NUM_KEYPOINTS, Clip, ClipSpec

Pixels = NDArray[np.uint8]

_LONGER_SIDE_PX = 960
_LEAST_WIDTH_PX = 480
_PANEL_PX = 170
_RATE_FACTOR = 20
_HELD_SEC = 0.5
# Of the heat map over the face, where it is hottest.
_MOST_OPAQUE = 0.65
_DARKEST = 0.45
_REAL_RGB, _FAKE_RGB = (47, 134, 214), (224, 108, 44)


@dataclass(frozen=True)
class Judged:
    """A clip, and what was found of it.

    Attributes:
        clip: where it lies in the video.
        score: of it, in [0, 1].
        heat: float32 [T, h, w] in [0, 1], where it looks fake.
    """

    clip: Clip
    score: float
    heat: NDArray[np.float32]


@dataclass(frozen=True)
class Told:
    """What is told on the video.

    Attributes:
        answer: a line.
        method: how the heat was found.
        threshold: a score at or above it counts as fake.
        max_sec: no more than the beginning is drawn.
    """

    answer: str
    method: str
    threshold: float
    max_sec: float


def write_overlay(
    source: Path,
    target: Path,
    spec: ClipSpec,
    judged: Sequence[Judged],
    told: Told,
    on_progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Draws on a video.

    Args:
        source: the video.
        target: the MP4 file; it appears whole or not at all.
        spec: how clips are made.
        judged: the clips, in any order.
        told: what is written on it.
        on_progress: takes the share that is done, in [0, 1].

    Raises:
        VideoError: the video cannot be read.
    """
    video = Video(source)
    timeline = video.timeline
    number = sum(timeline.timestamp_us(index) <= told.max_sec * 1e6 for index in range(len(timeline)))
    # The encoder wants a path to seek in, not a file that is open.
    partial = target.with_name(f".{target.name}.{secrets.token_hex(6)}{PARTIAL_SUFFIX}")
    try:
        pictures = _pictures(video, number, spec, judged, told, on_progress)
        write_h264(partial, pictures, fps=video.info.fps, rate_factor=_RATE_FACTOR)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _pictures(
    video: Video,
    number: int,
    spec: ClipSpec,
    judged: Sequence[Judged],
    told: Told,
    on_progress: Callable[[float], None],
) -> Iterator[tuple[Pixels, int]]:
    by_frame: dict[int, list[tuple[Judged, int]]] = {}
    for one in judged:
        for position in np.flatnonzero(one.clip.mask).tolist():
            by_frame.setdefault(int(one.clip.frame_indices[position]), []).append((one, position))
    panel: _Panel | None = None
    last: dict[int, tuple[int, Judged, int]] = {}
    for done, frame in enumerate(video.frames(range(number))):
        picture, scale = _shown(frame)
        for one, position in by_frame.get(frame.index, []):
            last[one.clip.track_id] = frame.timestamp_us, one, position
            picture = _with_heat(picture, scale, one, position, spec)
        for since, held, place in last.values():
            if frame.timestamp_us - since <= _HELD_SEC * 1e6:
                _draw_box(picture, scale, held, place, told.threshold)
        if panel is None:
            end_sec = video.timeline.timestamp_us(number - 1) / 1e6
            panel = _Panel(picture.shape[1], judged, told, end_sec)
        yield np.vstack([picture, panel.at(frame.timestamp_us / 1e6)]), frame.timestamp_us
        on_progress((done + 1) / number)


def _shown(frame: Frame) -> tuple[Pixels, float]:
    """A frame as it is shown, and by how much it is larger than it was."""
    picture = frame.shrunken(_LONGER_SIDE_PX)
    height, width = picture.shape[:2]
    wanted = max(width, _LEAST_WIDTH_PX) // 2 * 2
    size = (wanted, round(height * wanted / width / 2) * 2)
    picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return picture, wanted / frame.width


def _with_heat(picture: Pixels, scale: float, one: Judged, position: int, spec: ClipSpec) -> Pixels:
    """Lays the heat over the part of the frame that the crop was cut from."""
    box = tuple(float(side) for side in one.clip.boxes_xyxy_px[position])
    detection = Detection((box[0], box[1], box[2], box[3]), 1.0, np.zeros((NUM_KEYPOINTS, 2), np.float32))
    left, top, side = (round(value * scale) for value in crops.crop_square(detection, spec))
    if side < 2:
        return picture
    height, width = picture.shape[:2]
    heat = cv2.resize(one.heat[position], (side, side), interpolation=cv2.INTER_CUBIC)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    if x0 >= x1 or y0 >= y1:
        return picture
    part = heat[y0 - top : y1 - top, x0 - left : x1 - left]
    picture[y0:y1, x0:x1] = blend_heat(picture[y0:y1, x0:x1], part)
    return picture


def blend_heat(pixels: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """Returns a picture with heat laid over it: nothing where there is none, yellow where there is most.

    Args:
        pixels: uint8 RGB [H, W, 3].
        heat: float [H, W] in [0, 1].
    """
    level = np.clip(heat, 0, 1)
    # Without the dark end of the colours: it would only make the face darker.
    shade = ((_DARKEST + (1 - _DARKEST) * level) * 255).astype(np.uint8)
    coloured = cv2.applyColorMap(shade, cv2.COLORMAP_INFERNO)[..., ::-1]
    weight = (_MOST_OPAQUE * level)[..., None]
    return np.asarray(pixels * (1 - weight) + coloured * weight, np.float32).round().astype(np.uint8)


def _draw_box(picture: Pixels, scale: float, one: Judged, position: int, threshold: float) -> None:
    left, top, right, bottom = (round(float(side) * scale) for side in one.clip.boxes_xyxy_px[position])
    colour = _FAKE_RGB if one.score >= threshold else _REAL_RGB
    cv2.rectangle(picture, (left, top), (right, bottom), colour, 2, cv2.LINE_AA)
    text = f"face {one.clip.track_id + 1}: {one.score:.2f}"
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    left = min(max(left, 0), max(picture.shape[1] - width - 8, 0))
    top = max(top, height + 10)
    cv2.rectangle(picture, (left, top - height - 10), (left + width + 8, top), colour, cv2.FILLED)
    cv2.putText(picture, text, (left + 4, top - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)


class _Panel:
    """The score of each face over time, drawn once, on which a line moves along."""

    def __init__(self, width_px: int, judged: Sequence[Judged], told: Told, end_sec: float) -> None:
        self._pixels, (self._begin_px, self._bottom_px), (end_px, self._top_px) = _draw_panel(
            width_px, judged, told, end_sec
        )
        self._px_per_sec = end_px - self._begin_px

    def at(self, sec: float) -> Pixels:
        """Returns the panel at a time, uint8 [_PANEL_PX, W, 3]."""
        pixels = self._pixels.copy()
        x = round(self._begin_px + sec * self._px_per_sec)
        pixels[self._top_px : self._bottom_px, max(x - 1, 0) : x + 1] = (30, 30, 30)
        return pixels


@figures.styled
def _draw_panel(
    width_px: int, judged: Sequence[Judged], told: Told, end_sec: float
) -> tuple[Pixels, tuple[int, int], tuple[int, int]]:
    """Returns the panel, and the pixels (x, y) of second 0 at score 0 and of second 1 at score 1."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = figures.new_figure(width_px / 100, _PANEL_PX / 100)
    figure.set_dpi(100)
    axes = figure.subplots()
    axes.axhline(told.threshold, color=figures.SOFT, linestyle="--", linewidth=1)
    for track in sorted({one.clip.track_id for one in judged}):
        own = sorted((one for one in judged if one.clip.track_id == track), key=lambda one: _span(one)[0])
        times = [sec for one in own for sec in (*_span(one), _span(one)[1])]
        scores = [score for one in own for score in (one.score, one.score, np.nan)]
        axes.plot(times, scores, linewidth=3, solid_capstyle="butt", label=f"face {track + 1}")
    axes.set_xlim(0, max(end_sec, 0.1))
    axes.set_ylim(0, 1)
    axes.set_yticks((0, 0.5, 1))
    axes.set_ylabel("P(fake)", fontsize=8)
    axes.set_xlabel(f"seconds; bright: {told.method}", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.set_title(told.answer, loc="left", fontsize=10)
    if len({one.clip.track_id for one in judged}) > 1:
        axes.legend(loc="upper right", fontsize=7, ncols=4)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    corners = [axes.transData.transform(corner) for corner in ((0, 0), (1, 1))]
    (x0, y0), (x1, y1) = [(round(float(x)), _PANEL_PX - round(float(y))) for x, y in corners]
    return np.ascontiguousarray(pixels[:_PANEL_PX, :width_px]), (x0, y0), (x1, y1)


def _span(one: Judged) -> tuple[float, float]:
    seen = one.clip.timestamps_us[one.clip.mask] / 1e6
    return float(seen.min()), float(seen.max())
