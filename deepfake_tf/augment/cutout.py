"""Blackens a part of the face, so that a model learns to look at the others."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import face_regions
from deepfake_tf.augment import ClipArray


@dataclass(frozen=True)
class Op:
    """Blackens one part of the face in every frame; the part follows the face.

    The idea is from the winner of the Deepfake Detection Challenge (2020).

    Attributes:
        needs_keypoints: it is told where the face lies, and so stands before all ops that move pixels.
        probability: chance of it, in [0, 1].
        parts: names of regions to choose from, see face_regions.OUTLINES.
    """

    per_frame: ClassVar[bool] = False
    needs_keypoints: ClassVar[bool] = True
    probability: float = 0.5
    parts: tuple[str, ...] = ("eyes", "nose", "mouth", "left_half", "right_half", "lower_face")

    def __call__(
        self, clip: ClipArray, seed: int, keypoints_px: NDArray | None = None, mask: NDArray | None = None
    ) -> ClipArray:
        """Returns the changed clip, uint8 [T, H, W, 3].

        Args:
            clip: uint8 [T, H, W, 3] RGB.
            seed: 0 or more.
            keypoints_px: float32 [T, 6, 2], x and y in the crop; those of a typical crop if None.
            mask: bool [T], which frames have key points; all if None.
        """
        random = np.random.default_rng(seed)
        if random.random() >= self.probability:
            return clip
        part = self.parts[random.integers(len(self.parts))]
        size = clip.shape[1]
        keypoints = face_regions.fill_in(keypoints_px, mask, len(clip), size)
        outside = 255 - face_regions.draw(face_regions.place(face_regions.OUTLINES[part], keypoints), size)
        import cv2

        changed = np.empty_like(clip)
        for frame, keep, target in zip(clip, outside, changed, strict=True):
            cv2.multiply(frame, cv2.merge([keep] * 3), dst=target, scale=1 / 255)
        return changed
