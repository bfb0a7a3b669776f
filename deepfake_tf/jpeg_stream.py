"""JPEG pictures with their times as a video, so that what is being filmed becomes clips as any video does."""

import io
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, cast

import av

from deepfake_tf.errors import DecodeError
from deepfake_tf.extraction import Extraction, extract
from deepfake_tf.schema import ClipSpec, Limits, Outcome
from deepfake_tf.workers import WorkerPool

_MICROSECOND = Fraction(1, 1_000_000)


def submit_pictures(
    pool: WorkerPool, pictures: Sequence[bytes], times_us: Sequence[int], spec: ClipSpec, limits: Limits
) -> "Future[Extraction]":
    """Turns pictures into clips in a worker process, without waiting.

    Args:
        pool: does the work.
        pictures: JPEG files, from anybody.
        times_us: of each, rising; kept to the millisecond.
        spec: how the clips are made.
        limits: on what all the pictures may cost.

    Returns:
        The extraction to come, as of `extraction.submit_extraction`.
    """
    return pool.submit(extract_pictures, tuple(pictures), tuple(times_us), spec, limits, limits=limits)


def extract_pictures(pictures: Sequence[bytes], times_us: Sequence[int], spec: ClipSpec, limits: Limits) -> Extraction:
    """Turns pictures into clips, in this process: as `submit_pictures`."""
    # It has no name: it is gone with this process, however that ends.
    with tempfile.TemporaryFile() as file:
        try:
            _mux(pictures, times_us, file)
        except (av.FFmpegError, DecodeError, ValueError) as error:
            return Extraction(Outcome.UNREADABLE, f"The pictures are no JPEG files ({error}).", (), None, 0, 0, {})
        file.flush()
        found = extract(Path(f"/dev/fd/{file.fileno()}"), spec, limits=limits)
        return replace(found, reason=found.reason.removeprefix(f"{file.fileno()} "))


def _mux(pictures: Sequence[bytes], times_us: Sequence[int], file: IO[bytes]) -> None:
    """Puts the pictures as they are, undecoded, into a Matroska file."""
    with av.open(io.BytesIO(pictures[0]), format="mjpeg") as first:
        if not first.streams.video or not first.streams.video[0].width:
            raise DecodeError("no picture in the first")
        with av.open(cast(Any, file), "w", format="matroska") as container:
            stream = container.add_stream_from_template(first.streams.video[0])
            for picture, time_us in zip(pictures, times_us, strict=True):
                packet = av.Packet(picture)
                packet.stream, packet.time_base, packet.is_keyframe = stream, _MICROSECOND, True
                packet.pts = packet.dts = time_us - times_us[0]
                container.mux(packet)
