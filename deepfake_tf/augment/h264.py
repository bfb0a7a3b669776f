"""Compresses a clip as an H.264 video."""

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deepfake_tf.augment import ClipArray


@dataclass(frozen=True)
class Op:
    """Stores the clip as an H.264 video and reads it back, as every video site does.

    Equal frames do not stay equal: a video stores what changes from frame to frame.

    Attributes:
        probability: chance of it, in [0, 1].
        rate_factor: range of x264's constant rate factor: 18 is hardly visible, 40 falls apart.
    """

    per_frame: ClassVar[bool] = True
    probability: float = 0.5
    rate_factor: tuple[int, int] = (20, 38)

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the clip as it comes back, uint8 [T, H, W, 3]."""
        random = np.random.default_rng(seed)
        if random.random() >= self.probability:
            return clip
        low, high = self.rate_factor
        height, width = clip.shape[1:3]
        # Colour is stored for squares of two by two pixels.
        even = np.pad(clip, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return np.ascontiguousarray(_decode(_encode(even, int(random.integers(low, high + 1))))[:, :height, :width])


def _encode(clip: ClipArray, rate_factor: int) -> io.BytesIO:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        # "zerolatency" leaves out B-frames and their delay: few frames come in, as many must come out.
        options = {"crf": str(rate_factor), "preset": "veryfast", "tune": "zerolatency"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = clip.shape[2], clip.shape[1], "yuv420p"
        # The pipeline is parallel over clips; one thread also makes the result the same everywhere.
        stream.codec_context.thread_count = 1
        for pixels in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    return file


def _decode(file: io.BytesIO) -> ClipArray:
    import av

    with av.open(file, "r") as container:
        container.streams.video[0].codec_context.thread_count = 1
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.asarray(frames, np.uint8)
