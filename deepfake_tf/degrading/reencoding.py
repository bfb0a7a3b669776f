"""Clips of a video that was stored again: at a lower rate, with fewer frames, or with its faces cut out off centre.

What H.264 or a lower frame rate do to a fake spans the frame and time, so that it cannot be imitated on crops: the
whole video is encoded again, and then extracted as any other.
"""

import dataclasses
import itertools
import math
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import crops, extraction
from deepfake_tf.decoding.frames import Frame
from deepfake_tf.decoding.video import Video
from deepfake_tf.errors import ConfigError, DecodeError, VideoError
from deepfake_tf.faces import Detection
from deepfake_tf.schema import NUM_KEYPOINTS, Clip, ClipSpec, Limits

LOSSLESS = 0
"""The rate factor at which x264 keeps every value."""

# Divides into most frame rates, and is what MPEG itself counts in.
_TICKS_PER_SEC = 90_000


@dataclasses.dataclass(frozen=True)
class StoredAgain:
    """How a video is encoded again.

    Attributes:
        rate_factor: x264's constant rate factor, from LOSSLESS to 51.
        keep_every: of so many frames one is kept.
    """

    rate_factor: int = LOSSLESS
    keep_every: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rate_factor <= 51 or self.keep_every < 1:
            raise ConfigError(
                "rate_factor must lie between 0 and 51, and keep_every be 1 or more. Received: "
                f"rate_factor={self.rate_factor}, keep_every={self.keep_every}"
            )


def extract_stored_again(path: str, spec: ClipSpec, how: StoredAgain, limits: Limits) -> tuple[Clip, ...]:
    """Encodes a video again and returns its clips; none if no face is found in what is left of it.

    Args:
        path: the video file.
        spec: how clips are made.
        how: it is encoded again.
        limits: on what the video may cost.

    Raises:
        ConfigError: there is no such file.
    """
    if not Path(path).is_file():
        raise ConfigError(f"There is no such video file. Received: {path}")
    with tempfile.TemporaryDirectory(prefix="deepfake-tf-") as folder:
        target = Path(folder) / "again.mp4"
        try:
            encode_again(Path(path), target, how, limits=limits)
        except VideoError:
            return ()
        return extraction.extract(target, spec, limits=limits).clips


def encode_again(source: Path, target: Path, how: StoredAgain, *, limits: Limits | None = None) -> None:
    """Writes a video as H.264, its frames as they are displayed.

    Args:
        source: the file.
        target: the MP4 file to write.
        how: it is encoded.
        limits: on what the video may cost.

    Raises:
        VideoError: it cannot be read.
    """
    video = Video(source, limits=limits)
    frames = video.frames(range(0, len(video.timeline), how.keep_every))
    pictures = ((frame.pixels, frame.timestamp_us) for frame in frames)
    write_h264(target, pictures, fps=video.info.fps / how.keep_every, rate_factor=how.rate_factor)


def write_h264(
    target: Path, pictures: Iterator[tuple[NDArray[np.uint8], int]], *, fps: float, rate_factor: int
) -> None:
    """Writes pictures as an H.264 video that browsers play.

    Args:
        target: the MP4 file to write; its folder is there.
        pictures: uint8 RGB [H, W, 3], all of one size, each with its time in microseconds.
        fps: frames per second on average; it tells the encoder how long a frame lasts.
        rate_factor: x264's constant rate factor.

    Raises:
        DecodeError: there are no pictures.
    """
    first = next(pictures, None)
    if first is None:
        raise DecodeError("None of the video's frames could be decoded.")
    height, width = first[0].shape[:2]
    # The index in front of the frames: a browser can then begin before it has read the file.
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        options = {"crf": str(rate_factor), "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=_as_fraction(fps), options=options)
        # Colour is stored for squares of two by two pixels.
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS_PER_SEC)
        # The result is the same everywhere, and extraction runs one process a core.
        stream.codec_context.thread_count = 1
        for pixels, timestamp_us in itertools.chain([first], pictures):
            even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            picture = av.VideoFrame.from_ndarray(even, format="rgb24")
            picture.pts = round(timestamp_us * _TICKS_PER_SEC / 1_000_000)
            picture.time_base = Fraction(1, _TICKS_PER_SEC)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _as_fraction(fps: float) -> Fraction:
    # A photograph or a damaged file may tell nothing of the kind.
    return Fraction(min(max(fps, 1.0), 1000.0)).limit_denominator(1001)


# Faces cut out off centre ---------------------------------------------------------------------------------------------


def extract_shifted(
    path: str, spec: ClipSpec, clips: Sequence[Clip], shift: tuple[float, float], limits: Limits
) -> tuple[Clip, ...]:
    """Cuts the faces of a video out again, off centre, as a less steady detector would.

    Args:
        path: the video file.
        spec: how clips are made, without alignment.
        clips: those of the video.
        shift: to the right and down, as a share of the longer side of the face's box.
        limits: on what the video may cost.

    Returns:
        The clips with other crops; none if the video can no longer be read.

    Raises:
        ConfigError: there is no such file, or crops are turned by what only the detector knows.
    """
    if spec.alignment != "none":
        raise ConfigError(f"Crops with alignment {spec.alignment!r} cannot be cut out again. Expected: 'none'")
    if not Path(path).is_file():
        raise ConfigError(f"There is no such video file. Received: {path}")
    wanted = {int(index) for clip in clips for index in clip.frame_indices[clip.mask]}
    made = [list(clip.crops) for clip in clips]
    try:
        for frame in Video(Path(path), limits=limits).frames(wanted):
            for clip, own in zip(clips, made, strict=True):
                for position in np.flatnonzero(clip.mask & (clip.frame_indices == frame.index)):
                    own[position] = _cut_shifted(frame, clip.boxes_xyxy_px[position], spec, shift)
    except VideoError:
        return ()
    return tuple(dataclasses.replace(clip, crops=tuple(own)) for clip, own in zip(clips, made, strict=True))


def _cut_shifted(frame: Frame, box: NDArray[np.float32], spec: ClipSpec, shift: tuple[float, float]) -> bytes:
    left, top, right, bottom = (float(side) for side in box)
    longer = max(right - left, bottom - top)
    across, down = longer * shift[0], longer * shift[1]
    moved = (left + across, top + down, right + across, bottom + down)
    nowhere = np.zeros((NUM_KEYPOINTS, 2), np.float32)
    return crops.cut_crop(frame, Detection(moved, 1.0, nowhere), spec).jpeg


def shift_of(share: float, number: int) -> tuple[float, float]:
    """Returns a shift of one length, in a direction that follows from a number.

    Args:
        share: its length, as a share of the box's longer side.
        number: 0 or more; the golden angle spreads the directions evenly.
    """
    angle = number * math.pi * (3 - math.sqrt(5))
    return share * math.cos(angle), share * math.sin(angle)
