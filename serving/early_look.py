"""A video that is too large or too long is refused while it is still being sent, as soon as its header tells.

The part that has come is looked at by a worker process, at 1 MiB and each time it has grown fourfold. Where the header
comes last, as in many mp4 files, or no worker is free, the limits are held when the file is there whole.
"""

import math
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from deepfake_tf.errors import DecodeError, TooLongError, VideoError
from deepfake_tf.schema import Limits
from deepfake_tf.workers import WorkerPool

FIRST_BYTES = 1024**2
_GROWTH = 4
_LOOK_SEC = 5.0
# Sound may go on a little longer than the pictures, whose length is the one that counts.
_SLACK_SEC = 1.0


class EarlyLook:
    """Watches one upload as it grows."""

    def __init__(self, pool: WorkerPool | None, path: Path, limits: Limits) -> None:
        """Notes what to look at.

        Args:
            pool: does the looking; without one nothing is looked at.
            path: of the file that grows.
            limits: on the video.
        """
        self._pool, self._path, self._limits = pool, path, limits
        self._next_bytes = math.inf if pool is None else FIRST_BYTES
        self._looking: Future[None] | None = None

    def note(self, num_bytes: int) -> None:
        """Learns how much has come; does not wait.

        Raises:
            TooLargeError: a look has found that frames have too many pixels.
            TooLongError: a look has found that the video is too long.
        """
        if self._looking is not None and self._looking.done():
            error = self._looking.exception()
            self._looking = None
            if isinstance(error, VideoError):
                raise error
            if error is not None:
                # What a look fails on is next looked at when it is there whole.
                self._next_bytes = math.inf
        if self._pool is not None and self._looking is None and num_bytes >= self._next_bytes:
            self._next_bytes = _GROWTH * num_bytes
            limits = replace(self._limits, time_limit_sec=_LOOK_SEC)
            # Never cancelled, which would cost the worker: it takes a few milliseconds.
            self._looking = self._pool.submit(look, str(self._path), self._limits, limits=limits)


def look(path: str, limits: Limits) -> None:
    """Looks at the part of a file that is there, in a worker.

    What FFmpeg tells as the length is that of the whole video if the header has it (mp4, Matroska, WebM, FLV), and else
    that of what has come (MPEG-TS, AVI, fragments).

    Raises:
        TooLargeError: frames have too many pixels.
        TooLongError: the video is too long.
    """
    from deepfake_tf.decoding import video

    with suppress(DecodeError), closing(video.open_container(Path(path))) as container:
        stream = video.video_stream(container, Path(path))
        video.check_size(stream.codec_context.width, stream.codec_context.height, limits)
        told_sec = float((stream.duration or 0) * (stream.time_base or 0)) or (container.duration or 0) / 1e6
        if told_sec > limits.max_duration_sec + _SLACK_SEC:
            raise TooLongError(
                f"The video is at least {told_sec:.0f} s long; at most {limits.max_duration_sec:.0f} s are allowed."
            )
