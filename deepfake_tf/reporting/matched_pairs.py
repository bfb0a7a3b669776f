"""Which videos are matched pairs: a fake beside its own real, so that scene and codec do not tell them apart.

Elsewhere light, background or compression alone can give a label away, and a good score says little of forgery.
"""

from typing import Final

from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.batching.sampling import find_own_reals

MATCHED: Final = "matched"
ALONE: Final = "alone"


def pair_words(clips: ClipTable) -> dict[str, str]:
    """Returns for each video MATCHED if it is a fake whose own real is among the clips, or such a real, else ALONE.

    The own real of a fake is the video that it was made from if the manifest says so, else any real of its group.

    Args:
        clips: N labelled clips, of a split or of folds together.
    """
    own = {fake: reals for fake, reals in find_own_reals(clips).items() if len(reals)}
    rows = {*own, *(int(row) for reals in own.values() for row in reals)}
    matched = {clips.video_ids[row] for row in rows}
    return {video_id: MATCHED if video_id in matched else ALONE for video_id in clips.video_ids}
