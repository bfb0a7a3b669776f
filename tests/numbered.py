"""Small videos whose every frame shows its number, so that one can tell which frames a decoder hands out."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BLOCK = 16
BITS = 8
WIDTH, HEIGHT = BLOCK * BITS, 4 * BLOCK


def picture(number):
    """uint8 RGB [64, 128, 3]: the number in eight black or white blocks on top, a slope below that moves with it."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for bit in range(BITS):
        pixels[: 2 * BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 16
    pixels[2 * BLOCK :] = (np.arange(WIDTH) + 3 * number)[None, :, None] % 200 + 20
    return pixels


def number_in(pixels):
    """The number that a decoded frame shows, whatever its size."""
    height, width = pixels.shape[:2]
    middles = (np.arange(BITS) + 0.5) * width / BITS
    return sum(1 << bit for bit, x in enumerate(middles) if pixels[height // 4, int(x)].mean() > 128)


def write_video(path: Path, *, codec="libx264", num_frames=40, fps=25, times=None, **settings):
    """Writes frames 0..n-1.

    Args:
        path: its suffix chooses the container.
        codec: FFmpeg's name of the encoder.
        num_frames: how many.
        fps: frames per second.
        times: of each frame in ticks of 1/fps, evenly from 0 if None.
        settings: pix_fmt, options (of the encoder), prepare (is called with the stream), draw (instead of `picture`).
    """
    draw = settings.get("draw", picture)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=settings.get("options", {}))
        stream.height, stream.width = draw(0).shape[:2]
        stream.pix_fmt = settings.get("pix_fmt", "yuv420p")
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, fps)
        settings.get("prepare", lambda stream: None)(stream)
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(draw(number), format="rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
