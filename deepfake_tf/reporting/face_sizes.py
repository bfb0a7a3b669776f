"""How large a video's faces are, from the boxes in its clips' records."""

from typing import Final

import numpy as np
from google.protobuf.message import DecodeError as MessageError
from numpy.typing import NDArray

from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.errors import DataError
from deepfake_tf.protos import wire_pb2
from deepfake_tf.schema import KEY_BOX, KEY_MASK

SIZES_PX: Final = (64, 128, 256)
"""Where one size ends and the next begins."""


def median_sizes_px(clips: ClipTable) -> NDArray[np.float64]:
    """Returns the median over a clip's frames of the box's longer side, in pixels of the video; float64 [N].

    NaN where no frame has a face.

    Args:
        clips: N clips.

    Raises:
        DataError: a shard was changed or cut since the table was made.
    """
    return np.array([_median_size_px(clips, row) for row in range(len(clips))])


def size_word(size_px: float) -> str:
    """Returns the size's name, such as "64-128 px"; nothing for NaN."""
    if not np.isfinite(size_px):
        return ""
    above = [high for high in SIZES_PX if size_px < high]
    if not above:
        return f"{SIZES_PX[-1]} px or more"
    place = SIZES_PX.index(above[0])
    return f"{SIZES_PX[place - 1]}-{above[0]} px" if place else f"below {above[0]} px"


def _median_size_px(clips: ClipTable, row: int) -> float:
    path = clips.shard_path(row)
    with path.open("rb") as file:
        file.seek(int(clips.offsets[row]))
        data = file.read(int(clips.num_bytes[row]))
    try:
        lists = wire_pb2.SequenceExample.FromString(data).feature_lists.feature_list
        boxes = np.array([feature.float_list.value for feature in lists[KEY_BOX].feature], np.float64).reshape(-1, 4)
        mask = np.array([feature.int64_list.value[0] for feature in lists[KEY_MASK].feature], np.bool_)
        sides = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])[mask]
    except (MessageError, IndexError, ValueError) as error:
        raise DataError(f"A record in {path} is damaged ({error}). Delete the shard and extract again.") from error
    return float(np.median(sides)) if len(sides) else float("nan")
