"""Which frames of a stored clip are used where fewer are wanted: index arithmetic, without pixels.

Frames are chosen before any is decoded. What is chosen is what extraction would have made of the video with the smaller
number of frames: a stretch of neighbours, or frames spread over the whole clip where it was spread over the video.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIDDLE = 0.5
"""The place of a choice that is not left to chance."""

# Nearer to 1, the sum of a frame's number and a place would be rounded up to the next number.
_LAST = 1 - 2.0**-32


def choose_frames(mask: ArrayLike, num_frames: int, placement: str, at: float = MIDDLE) -> NDArray[np.int64]:
    """Returns the numbers of the frames to use, rising.

    Args:
        mask: bool [S], which of the stored frames are there.
        num_frames: T, from 1 to S.
        placement: of the clips, see ClipSpec.
        at: which of the possible choices, in [0, 1); a random number for a random one.

    Returns:
        int64 [T]. A stretch holds a frame that is there if the clip has one.
    """
    there = np.asarray(mask, bool)
    num_stored = len(there)
    at = min(at, _LAST)
    if placement == "spread":
        return np.floor((np.arange(num_frames) + at) * num_stored / num_frames).astype(np.int64)
    so_far = np.concatenate([[0], np.cumsum(there)])
    starts = np.flatnonzero(so_far[num_frames:] > so_far[:-num_frames])
    if not len(starts):
        starts = np.arange(num_stored - num_frames + 1)
    return np.arange(num_frames) + starts[int(at * len(starts))]
