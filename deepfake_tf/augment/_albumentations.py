"""Runs an Albumentations transform on a clip with one draw for all of its frames."""

import threading
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from deepfake_tf.augment import ClipArray

# One transform for each op and thread: building one costs more than using it, and threads must not share its state.
_OF_THREAD = threading.local()


@dataclass(frozen=True)
class AlbumentationsOp:
    """An op whose pixel work one Albumentations transform does.

    Attributes:
        whole_clip: the transform is given all frames at once. That is quicker where it works through a look-up table;
            geometry is quicker frame by frame (OpenCV is slow on many channels).
        probability: chance of it, in [0, 1].
    """

    per_frame: ClassVar[bool] = False
    whole_clip: ClassVar[bool] = False
    probability: float = 0.5

    def transform(self) -> Any:
        """Returns the transform, whose chance to be applied is `probability`."""
        raise NotImplementedError

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the changed clip, uint8 [T, H, W, 3]."""
        transform = _transform_of(self)
        transform.set_random_seed(seed)
        if self.whole_clip:
            return transform(images=clip)["images"]
        first = transform(image=clip[0])["image"]
        if not transform.params:
            return clip
        changed = np.empty((len(clip), *first.shape), np.uint8)
        changed[0] = first
        for number in range(1, len(clip)):
            self.change(clip[number], changed[number], transform)
        return changed

    def change(self, frame: ClipArray, changed: ClipArray, transform: Any) -> None:
        """Changes one more frame as the transform changed the first.

        Args:
            frame: uint8 [H, W, 3].
            changed: uint8 [H, W, 3], is filled.
            transform: which holds what it drew.
        """
        changed[...] = transform.apply(frame, **transform.params)


def _transform_of(op: AlbumentationsOp) -> Any:
    transforms = _OF_THREAD.__dict__.setdefault("transforms", {})
    if op not in transforms:
        transforms[op] = op.transform()
    return transforms[op]
