"""How the logits of a video's clips make one logit: a function for each rule, from logits [N] to a number.

Each gives a value between the lowest and the highest logit, whatever the order of the clips.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

TRIMMED_SHARE = 0.25

CONFIDENT_SCORE = 0.8
FAKE_SHARE = 0.4
MIN_FAKES = 2
REAL_SHARE = 0.9

_CONFIDENT_LOGIT = math.log(CONFIDENT_SCORE / (1 - CONFIDENT_SCORE))


def mean(logits: NDArray[np.float64]) -> float:
    """Returns the mean: every clip weighs the same."""
    return float(np.mean(logits))


def trimmed_mean(logits: NDArray[np.float64]) -> float:
    """Returns the mean without the lowest and the highest quarter: a few odd clips do not count.

    With fewer than four clips nothing is left out.
    """
    cut = int(len(logits) * TRIMMED_SHARE)
    return float(np.mean(np.sort(logits)[cut : len(logits) - cut]))


def confident_vote(logits: NDArray[np.float64]) -> float:
    """Returns the mean of the confident clips if there are enough of them, else of all.

    After the rule of the winner of the Deepfake Detection Challenge 2020 (S. Seferbekov): if more than 40 % of the
    scores, and no fewer than a handful, are confidently fake (above 0.8), only those count; else if more than 90 % are
    confidently real (below 0.2), only those count. There the unit is one of 32 frames and a handful is 12; here it is a
    clip of several frames and a handful is 2, and logits are averaged in place of scores. The rule is no rising
    function: one more clip above the line can lower the mean of those above it.
    """
    fakes = logits[logits > _CONFIDENT_LOGIT]
    reals = logits[logits < -_CONFIDENT_LOGIT]
    if len(fakes) >= MIN_FAKES and len(fakes) > FAKE_SHARE * len(logits):
        return float(np.mean(fakes))
    if len(reals) > REAL_SHARE * len(logits):
        return float(np.mean(reals))
    return float(np.mean(logits))


OF_A_TRACK: Mapping[str, Callable[[NDArray[np.float64]], float]] = {
    "mean": mean,
    "max_track": mean,
    "trimmed_mean": trimmed_mean,
    "confident_vote": confident_vote,
}
"""What makes a track's logit under each rule."""


def join_clips(logits: NDArray[np.float64], track_ids: NDArray[np.int64], rule: str) -> tuple[float, dict[int, float]]:
    """Returns a video's logit, and each track's.

    A track is judged by its own clips. The video is judged by all clips together, so that a face seen longer weighs
    more; under "max_track" by the track with the highest logit, so that one fake face among several is enough. A video
    with one track has that track's logit under every rule.

    Args:
        logits: float64 [N], N >= 1.
        track_ids: int64 [N].
        rule: one of schema.JOINING_RULES.
    """
    of_a_track = OF_A_TRACK[rule]
    tracks = {int(one): of_a_track(logits[track_ids == one]) for one in np.unique(track_ids)}
    return max(tracks.values()) if rule == "max_track" else of_a_track(logits), tracks
