"""Which frames make a clip: index arithmetic, no pixels."""

import itertools
from collections.abc import Sequence

from deepfake_tf.schema import ClipSpec

ClipIndices = tuple[int, ...]
"""Numbers of the frames of one clip, increasing; fewer than T where the video is too short."""

_SETTLES_WITHIN = 8


def place_clips(
    num_frames: int,
    spec: ClipSpec,
    is_cheap: Sequence[bool] | None = None,
    is_key: Sequence[bool] | None = None,
) -> list[ClipIndices]:
    """Returns the frames of every clip of a video.

    Args:
        num_frames: frames of the video.
        spec: says how many clips of how many frames, and how they are placed.
        is_cheap: for placement "spread": which frames cost little to have; None for all of them.
        is_key: for placement "spread": which frames decoding can begin at; None if that is not known.

    Returns:
        Clips in order of time. None has a frame twice; those of placement "even" and "spread" share no frame.
    """
    if num_frames < 1:
        return []
    if spec.placement == "all":
        return _every_clip(num_frames, spec)
    if spec.placement == "even":
        return _even_clips(num_frames, spec)
    return _spread_clips(num_frames, spec, is_cheap, is_key)


def frames_to_look_at(placed: Sequence[ClipIndices], detect_every: int) -> set[int]:
    """Returns in which frames faces are looked for: every n-th and the last of those that lie close together."""
    wanted = sorted({index for clip in placed for index in clip})
    step = max((after - before for clip in placed for before, after in itertools.pairwise(clip)), default=1)
    breaks = [number for number in range(1, len(wanted)) if wanted[number] - wanted[number - 1] > step]
    runs = [wanted[begin:end] for begin, end in itertools.pairwise([0, *breaks, len(wanted)])]
    return {index for run in runs for index in [*run[::detect_every], *run[-1:]]}


def span(spec: ClipSpec) -> int:
    """Returns how many frames of the video a clip reaches over, from its first to its last frame inclusive."""
    return (spec.num_frames - 1) * spec.frame_stride + 1


def _every_clip(num_frames: int, spec: ClipSpec) -> list[ClipIndices]:
    """A clip every `clip_stride` frames; where the last one leaves frames over, another that ends with the video."""
    last_start = num_frames - span(spec)
    if last_start <= 0:
        return [_clip_at(0, num_frames, spec)]
    starts = list(range(0, last_start + 1, spec.clip_stride))
    if starts[-1] + span(spec) < num_frames:
        starts.append(last_start)
    return [_clip_at(start, num_frames, spec) for start in starts]


def _even_clips(num_frames: int, spec: ClipSpec) -> list[ClipIndices]:
    """Each clip lies in the middle of its K-th part of the video; K shrinks until the parts can hold a clip."""
    num_clips = max(1, min(spec.clips_per_video, num_frames // span(spec)))
    starts = []
    for number in range(num_clips):
        begin = num_frames * number // num_clips
        end = num_frames * (number + 1) // num_clips
        starts.append(begin + max(0, end - begin - span(spec)) // 2)
    return [_clip_at(start, num_frames, spec) for start in starts]


def _spread_clips(
    num_frames: int, spec: ClipSpec, is_cheap: Sequence[bool] | None, is_key: Sequence[bool] | None
) -> list[ClipIndices]:
    num_clips = max(1, min(spec.clips_per_video, num_frames // spec.num_frames))
    total = num_clips * spec.num_frames
    if num_frames <= total:
        wanted = list(range(num_frames))
    else:
        cells = [(num_frames * i // total, num_frames * (i + 1) // total) for i in range(total)]
        wanted = _settle(cells, is_cheap or [True] * num_frames, is_key or [False] * num_frames)
    return [tuple(wanted[i : i + spec.num_frames]) for i in range(0, len(wanted), spec.num_frames)]


def _settle(cells: Sequence[tuple[int, int]], is_cheap: Sequence[bool], is_key: Sequence[bool]) -> list[int]:
    """Returns a frame of each cell, near its middle: a key frame if there is one, else a cheap one.

    Between a frame and a key frame after it nothing is decoded. So the frame before a key frame that is taken, and the
    last of all, are taken early.
    """
    middles = [(begin + end - 1) // 2 for begin, end in cells]
    near = [
        range(max(begin, middle - _SETTLES_WITHIN), min(end, middle + _SETTLES_WITHIN + 1))
        for (begin, end), middle in zip(cells, middles, strict=True)
    ]
    # The first frame of the video must be decoded anyway, and is often black.
    keys = [[index for index in frames if index > 0 and is_key[index]] for frames in near]
    found = []
    for number, (middle, frames) in enumerate(zip(middles, near, strict=True)):
        is_before_key = any(is_key) and all(keys[number + 1 : number + 2])
        aim = frames[0] if is_before_key and number > 0 and not keys[number] else middle
        candidates = keys[number] or [index for index in frames if is_cheap[index]] or [aim]
        found.append(_nearest(candidates, aim))
    return found


def _nearest(candidates: Sequence[int], aim: int) -> int:
    return min(candidates, key=lambda index: abs(index - aim))


def _clip_at(start: int, num_frames: int, spec: ClipSpec) -> ClipIndices:
    return tuple(range(start, min(start + span(spec), num_frames), spec.frame_stride))
