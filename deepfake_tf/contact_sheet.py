"""Contact sheets: one HTML page, with its pictures inside, that shows clips as strips of film.

    clips (of a data folder, a shard, photographs) --> sections of rows of strips --write_sheet--> sheet.html

Each real and each fake clip stands beside its augmented form, each real beside a fake that was self-blended from it. Of
a video the sheet shows what extraction sees in it.
"""

import base64
import html
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic, augment, extraction, faces, photographs, recipes, records
from deepfake_tf.blending import SelfBlend
from deepfake_tf.decoding.frames import Frame
from deepfake_tf.decoding.video import Video
from deepfake_tf.errors import ConfigError, DataError, VideoError
from deepfake_tf.schema import FAKE, LABEL_NAMES, REAL, Clip, ClipSpec

Pixels = NDArray[np.uint8]
_SIZE_PX = 112
_MAX_FRAMES = 8
_CLIPS_PER_VIDEO = 2


@dataclass(frozen=True)
class Strip:
    """Some frames, side by side: uint8 [T, H, W, 3] RGB, shown at most `height_px` high."""

    caption: str
    frames: Pixels
    height_px: int = _SIZE_PX


@dataclass(frozen=True)
class Row:
    """What is to be compared."""

    caption: str
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Section:
    """Rows of one kind, one for each clip."""

    title: str
    rows: tuple[Row, ...]

    @property
    def heading(self) -> str:
        """Its title and how many clips it shows."""
        return f"{self.title}: {len(self.rows)} {'clip' if len(self.rows) == 1 else 'clips'}"


@dataclass(frozen=True)
class Look:
    """What of a source is shown, and how it is changed.

    Attributes:
        recipe: name of a file in recipes/.
        num_clips: of each kind.
        seed: of the choice of clips, the augmentation and the self-blending.
        split: of a data folder.
    """

    recipe: str = "basic"
    num_clips: int = 8
    seed: int = 0
    split: str = "train"

    def __post_init__(self) -> None:
        recipes.load_ops(self.recipe)
        if self.num_clips < 1:
            raise ConfigError(f"num_clips must be 1 or more. Received: {self.num_clips}")


def draw(source: Path, out: Path, look: Look) -> list[Section]:
    """Writes the contact sheet of whatever a path holds.

    Args:
        source: a folder of shards, a shard, a video, or a folder of photographs.
        out: the page to write.
        look: what to show.

    Returns:
        What is on the sheet.

    Raises:
        ConfigError: the path holds none of these.
        DataError: it holds no clips.
    """
    if is_video(source):
        sections = sections_of_video(source, ClipSpec())
        write_sheet(out, source.name, sections)
        return sections
    sections = _sections(_clips_of(source, look), look)
    write_sheet(out, f"{source.name}, recipe {look.recipe}, seed {look.seed}", sections)
    return sections


def is_video(source: Path) -> bool:
    """Returns whether a path is shown as a video: what extraction sees in it, changed by no recipe."""
    return source.is_file() and source.suffix != ".tfrecord"


def write_sheet(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Writes a page that needs no other file and no network.

    Args:
        path: the file; it appears whole or not at all.
        title: of the page.
        sections: what is on it.
    """
    body = "".join(_section_html(section) for section in sections)
    title = html.escape(title)
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
    atomic.write_whole(path, f"{page}<h1>{title}</h1>{body}</html>\n".encode())


# Where clips come from ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Labelled:
    name: str
    label: int
    clip: Clip


def _clips_of(source: Path, look: Look) -> list[_Labelled]:
    if (source / records.INDEX_NAME).is_file():
        found = _choose(_records_of(records.shard_paths(source, look.split), look.seed), look.num_clips)
    elif source.is_file() and source.suffix == ".tfrecord":
        found = _choose(_records_of([source], look.seed), look.num_clips)
    elif source.is_dir():
        found = list(_photographs_of(source, look))
    else:
        raise ConfigError(
            f"{source} cannot be looked at. Expected a folder of shards made by pipelines.extract, one shard "
            "(.tfrecord), a video, or a folder of photographs."
        )
    if not found:
        raise DataError(f"{source} holds no labelled clip to show.")
    return found


def _records_of(shards: Sequence[Path], seed: int) -> Iterator[_Labelled]:
    for number in np.random.default_rng(seed).permutation(len(shards)):
        for data in records.read_shard(shards[number]):
            record = records.decode_clip(data)
            yield _Labelled(record.example_id, record.label, record.clip)


def _choose(found: Iterable[_Labelled], num_each: int) -> list[_Labelled]:
    """Takes the first clips of each label, few of one video, and reads no further than it must."""
    chosen: list[_Labelled] = []
    of_video: Counter[str] = Counter()
    of_label: Counter[int] = Counter()
    for one in found:
        video = one.name.removesuffix(f"/{one.clip.clip_id}")
        if one.label not in (REAL, FAKE) or of_label[one.label] == num_each or of_video[video] == _CLIPS_PER_VIDEO:
            continue
        chosen.append(one)
        of_video[video] += 1
        of_label[one.label] += 1
        if all(of_label[label] == num_each for label in (REAL, FAKE)):
            break
    return chosen


def _photographs_of(folder: Path, look: Look) -> Iterator[_Labelled]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in photographs.SUFFIXES)
    spec = ClipSpec()
    detector = faces.open_detector(spec) if paths else None
    num_found = 0
    for number in np.random.default_rng(look.seed).permutation(len(paths)):
        if detector is None or num_found == look.num_clips:
            return
        try:
            clip = photographs.read_clip(paths[number], spec, detector, moving=True, seed=look.seed)
        except VideoError:
            continue
        num_found += 1
        yield _Labelled(paths[number].name, REAL, clip)


# What is shown of them ------------------------------------------------------------------------------------------------


def _sections(clips: Sequence[_Labelled], look: Look) -> list[Section]:
    sections = []
    for label in (REAL, FAKE):
        rows = tuple(_augmented_row(one, look) for one in clips if one.label == label)
        sections.append(Section(LABEL_NAMES[label], rows))
    blended = tuple(_blended_row(one, look) for one in clips if one.label == REAL)
    return [section for section in (*sections, Section("self-blended", blended)) if section.rows]


def _augmented_row(one: _Labelled, look: Look) -> Row:
    pixels = decode(one.clip)
    return Row(one.name, (Strip("as stored", pixels), Strip(look.recipe, _augment(pixels, one, look))))


def _blended_row(one: _Labelled, look: Look) -> Row:
    pixels = decode(one.clip)
    made = SelfBlend()(pixels, _seed_of(one, look), keypoints_px=one.clip.keypoints_crop_px, mask=one.clip.mask)
    share = np.repeat((made.weights * 255).astype(np.uint8)[..., None], 3, axis=-1)
    changed = _augment(made.clip, one, look)
    strips = (Strip("real", pixels), Strip("self-blended", made.clip), Strip("share of the source", share))
    return Row(one.name, (*strips, Strip(f"self-blended, {look.recipe}", changed)))


def _augment(pixels: Pixels, one: _Labelled, look: Look) -> Pixels:
    keypoints, mask = one.clip.keypoints_crop_px, one.clip.mask
    ops = recipes.load_ops(look.recipe)
    changed = augment.apply(ops, pixels, _seed_of(one, look), keypoints_px=keypoints, mask=mask).copy()
    changed[~mask] = 0
    return changed


def _seed_of(one: _Labelled, look: Look) -> int:
    # Of its own for each clip, whichever others are shown.
    return zlib.crc32(one.name.encode()) + look.seed


def decode(clip: Clip) -> Pixels:
    """Returns the crops of a clip, uint8 [T, H, W, 3] RGB."""
    crops = [np.asarray(cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR_RGB)) for one in clip.crops]
    return np.stack(crops).astype(np.uint8)


# Videos ---------------------------------------------------------------------------------------------------------------

_FRAME_HEIGHT_PX = 200
_FRAMES_PER_CLIP = 4
_LONGER_SIDE_PX = 640
# One colour a track, RGB; those after the last share it.
_COLOURS = ((0, 230, 0), (255, 210, 0), (0, 170, 255), (255, 80, 200))


def sections_of_video(path: Path, spec: ClipSpec) -> list[Section]:
    """Returns what extraction sees in a video: faces marked on its frames, and the crops of each track.

    Raises:
        DataError: it has no clip; the reason is told.
        ConfigError: there is no such file.
        AssetError: the face detector's weights are not there.
    """
    found = extraction.extract(path, spec)
    if not found.clips:
        raise DataError(f"{path.name} gives no clip: {found.outcome}. {found.reason}")
    counts = f"a face in {found.num_frames_with_face} of {found.num_frames_sampled} sampled frames"
    sections = [
        Section(" - ".join(filter(None, (counts, found.reason))), tuple(_rows_of_frames(path, spec, found.clips)))
    ]
    for track in sorted({clip.track_id for clip in found.clips}):
        rows = tuple(_row_of_crops(clip) for clip in found.clips if clip.track_id == track)
        sections.append(Section(f"track {track}", rows))
    return sections


def _rows_of_frames(path: Path, spec: ClipSpec, clips: Sequence[Clip]) -> Iterator[Row]:
    video = Video(path)
    placed = extraction.place_clips(video, spec)
    chosen = [indices[:: -(-len(indices) // _FRAMES_PER_CLIP)] for indices in placed]
    marked = {frame.index: _marked(frame, clips) for frame in video.frames({one for few in chosen for one in few})}
    for indices in chosen:
        frames = [marked[index] for index in indices if index in marked]
        if frames:
            shown = ", ".join(str(index) for index in indices if index in marked)
            strip = Strip(f"frames {shown}", np.stack(frames), _FRAME_HEIGHT_PX)
            yield Row(f"from {video.timeline.timestamp_us(indices[0]) / 1e6:.2f} s", (strip,))


def _marked(frame: Frame, clips: Sequence[Clip]) -> Pixels:
    """A frame, shrunken, with the box of every track in its colour, uint8 [H, W, 3] RGB."""
    pixels = frame.shrunken(_LONGER_SIDE_PX)
    scale = pixels.shape[1] / frame.width
    for clip in clips:
        for box in clip.boxes_xyxy_px[clip.mask & (clip.frame_indices == frame.index)]:
            left, top, right, bottom = (round(float(side) * scale) for side in box)
            colour = _COLOURS[min(clip.track_id, len(_COLOURS) - 1)]
            pixels = np.asarray(cv2.rectangle(pixels, (left, top), (right, bottom), colour, 2), np.uint8)
            place = (left, max(14, top - 4))
            cv2.putText(pixels, str(clip.track_id), place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
    return pixels


def _row_of_crops(clip: Clip) -> Row:
    times, confidences, sharpness = (
        values[clip.mask] for values in (clip.timestamps_us, clip.confidences, clip.sharpness)
    )
    told = f"confidence {confidences.min():.2f} to {confidences.max():.2f}, sharpness {np.median(sharpness):.0f}"
    caption = f"{clip.clip_id}: {times.min() / 1e6:.2f} to {times.max() / 1e6:.2f} s"
    return Row(caption, (Strip(told, decode(clip)),))


# The page -------------------------------------------------------------------------------------------------------------

_STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:2em;background:#fafafa;color:#222}
h2{margin-top:2em}figure{display:inline-block;margin:0 1em .5em 0}img{display:block;max-width:100%}
figcaption,.name{color:#666;font-size:12px}.row{margin-bottom:1em;border-top:1px solid #ddd;padding-top:.3em}
"""


def _section_html(section: Section) -> str:
    rows = "".join(_row_html(row) for row in section.rows)
    return f"<h2>{html.escape(section.heading)}</h2>{rows}"


def _row_html(row: Row) -> str:
    figures = "".join(
        f"<figure><img alt='' src='{_data_url(strip)}'><figcaption>{html.escape(strip.caption)}</figcaption></figure>"
        for strip in row.strips
    )
    return f"<div class=row><div class=name>{html.escape(row.caption)}</div>{figures}</div>"


def _data_url(strip: Strip) -> str:
    frames = strip.frames
    step = -(-len(frames) // _MAX_FRAMES)
    scale = min(1.0, strip.height_px / frames.shape[1])
    small = [cv2.resize(one, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for one in frames[::step]]
    film = cv2.cvtColor(np.hstack(small).astype(np.uint8), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
