"""Swapped fakes: the face of another person, from one picture, put onto a real clip.

    clip --another person, turned alike, of like skin--> face --moved onto the clip's key points, recoloured, blended in

What a clip that is blended with itself cannot show is there: features that are another person's, and eyes, mouth and
light that do not belong to the head. After Li et al., "Face X-ray for More General Face Forgery Detection" (CVPR 2020),
which takes the nearest of another person's faces as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import blending, face_regions
from deepfake_tf.blending import Blend, ClipArray, Random, SelfBlend
from deepfake_tf.errors import DataError
from deepfake_tf.face_regions import RIGHT_EAR

# Ears are often covered.
_FIRM = slice(0, RIGHT_EAR)
_NUM_ALIKE = 40
_NUM_TO_DRAW_FROM = 10
# As a share of the colours' way to the target's.
_LEAST_MATCHED = 0.7


@dataclass(frozen=True)
class Face:
    """A face to be put onto others.

    Attributes:
        crop: uint8 [H, W, 3] RGB.
        keypoints_px: float32 [6, 2], BlazeFace's, in pixels of the crop.
        person: whose it is.
    """

    crop: NDArray[np.uint8]
    keypoints_px: NDArray[np.float32]
    person: str


class FaceSwap:
    """Puts faces onto clips of other people.

    Args:
        faces: to choose from, of two people or more.
        blend: which regions, and how soft their edge is.

    Raises:
        DataError: all faces are of one person.
    """

    def __init__(self, faces: Sequence[Face], blend: SelfBlend | None = None) -> None:
        if len({face.person for face in faces}) < 2:
            raise DataError("Faces can be swapped among two people or more. Add photographs, or say who is who.")
        self._faces, self._blend = faces, blend or SelfBlend()
        self._people = np.array([face.person for face in faces])
        self._shapes = np.array([_shape(face.keypoints_px) for face in faces])
        self._tones = np.array([_tone(face.crop, face.keypoints_px) for face in faces])

    def __call__(
        self,
        clip: ClipArray,
        seed: int,
        *,
        person: str,
        source: str = "",
        keypoints_px: NDArray | None = None,
        mask: NDArray | None = None,
    ) -> Blend:
        """Puts one face onto all frames of a clip.

        Args:
            clip: uint8 [T, H, W, 3] RGB, H = W; it is not changed.
            seed: 0 or more; the same seed gives the same fake.
            person: whose clip it is; another one's face is taken.
            source: whose face is taken; anybody's if empty.
            keypoints_px: float32 [T, 6, 2], BlazeFace's, in pixels of the crop; those of a typical crop if None.
            mask: bool [T], which frames are there; all if None. The others stay as they are.

        Returns:
            The fake, where the face lies and whose it is.
        """
        random = np.random.default_rng(seed)
        there = np.ones(len(clip), bool) if mask is None else np.asarray(mask, bool)
        keypoints = face_regions.fill_in(keypoints_px, there, len(clip), clip.shape[1])
        look_at = int(np.argmax(there))
        among = np.flatnonzero(self._people == source if source else self._people != person)
        face = self._choose(clip[look_at], keypoints[look_at], among, random)
        weights = self._blend.draw_weights(keypoints, clip.shape[1], random)
        weights[~there] = 0
        moved = _move(face, keypoints, clip.shape[1], random)
        share = random.uniform(_LEAST_MATCHED, 1)
        for number in np.flatnonzero(there):
            moved[number] = match_colours(moved[number], clip[number], weights[number], share)
        return Blend(blending.mix(moved, clip, weights), weights, face.person)

    def _choose(self, frame: NDArray, keypoints: NDArray, among: NDArray[np.int64], random: Random) -> Face:
        """Returns a face, among some, that is turned like that of the frame and of a like colour."""
        unlike = ((self._shapes[among] - _shape(keypoints)) ** 2).sum(axis=1)
        alike = among[np.argsort(unlike)[:_NUM_ALIKE]]
        further = ((self._tones[alike] - _tone(frame, keypoints)) ** 2).sum(axis=1)
        drawn = alike[np.argsort(further)[:_NUM_TO_DRAW_FROM]]
        return self._faces[drawn[random.integers(len(drawn))]]


def _shape(keypoints_px: NDArray) -> NDArray[np.float64]:
    """Where eyes, nose and mouth lie to each other, wherever and however large the face is."""
    firm = np.asarray(keypoints_px, np.float64)[_FIRM]
    firm = firm - firm.mean(axis=0)
    return (firm / max(float(np.linalg.norm(firm)), 1e-9)).ravel()


def _tone(crop: NDArray[np.uint8], keypoints_px: NDArray) -> NDArray[np.float64]:
    """The mean colour between eyes and mouth, in Lab."""
    import cv2

    region = face_regions.draw(face_regions.place(face_regions.OUTLINES["inner_face"], keypoints_px[None]), len(crop))
    inside = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)[region[0] > 127]
    return inside.mean(axis=0, dtype=np.float64) if len(inside) else np.full(3, 128.0)


def _move(face: Face, keypoints: NDArray, size: int, random: Random) -> ClipArray:
    """Returns the face on each frame's eyes, nose and mouth, uint8 [T, H, W, 3]."""
    import cv2

    firm = np.column_stack([face.keypoints_px[_FIRM], np.ones(RIGHT_EAR)])
    interpolation = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)[random.integers(3)]
    matrices = [np.linalg.lstsq(firm, one[_FIRM], rcond=None)[0].T for one in keypoints]
    moved = [
        cv2.warpAffine(face.crop, matrix, (size, size), flags=interpolation, borderMode=cv2.BORDER_REFLECT_101)
        for matrix in matrices
    ]
    return np.asarray(moved, np.uint8)


def match_colours(source: NDArray, target: NDArray, weights: NDArray, share: float) -> NDArray[np.uint8]:
    """Brings the colours of a face, their mean and their spread, near to those of a frame where it is blended in.

    Args:
        source: uint8 [H, W, 3] RGB, the face.
        target: uint8 [H, W, 3] RGB, the frame.
        weights: float32 [H, W], the face's share at each pixel.
        share: of the way, in [0, 1].
    """
    import cv2

    inside = weights > 0.5 * weights.max()
    if not inside.any():
        return source
    ours, theirs = (cv2.cvtColor(one, cv2.COLOR_RGB2LAB).astype(np.float32) for one in (source, target))
    mean, wanted = ours[inside].mean(axis=0), theirs[inside].mean(axis=0)
    # A level more: flat colours have no spread to bring near.
    gain = np.clip((theirs[inside].std(axis=0) + 1) / (ours[inside].std(axis=0) + 1), 0.5, 2) ** share
    changed = (ours - mean) * gain + mean + share * (wanted - mean)
    return np.asarray(cv2.cvtColor(np.clip(np.rint(changed), 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB))
