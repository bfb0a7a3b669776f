"""Small videos made for the tests."""

from fractions import Fraction

import av
import numpy as np


def write_video(path, pictures, *, fps=12):
    """Writes RGB pictures [N, H, W, 3] as an mp4 file."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(fps))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path


def face_video(path, *, num_frames=12, size=256):
    """A video of one face that moves a little to the side: the portrait of scikit-image."""
    from skimage.data import astronaut

    portrait = np.ascontiguousarray(astronaut()[:size])
    return write_video(path, [portrait[:, 80 + n : 80 + n + size] for n in range(num_frames)])


def faceless_video(path, *, num_frames=12, size=64):
    """A video of a grey ramp that brightens."""
    ramp = np.broadcast_to(np.linspace(0, 100, size, dtype=np.uint8)[:, None, None], [size, size, 3])
    return write_video(path, [ramp + np.uint8(10 * n) for n in range(num_frames)])
