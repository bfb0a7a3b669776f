"""Reconstructed fakes: a face that went through an autoencoder and back onto its own head.

    clip --aligned by key points--> face --an autoencoder--> face --moved back, recoloured, sharpened--> blended in

What a clip blended with itself or with another photograph cannot show is there: a face that a network has drawn, out
of a small code and through convolutions that enlarge, with less fine structure, evener skin, patterns of the enlarging,
and features that are slightly somebody else's. It stays the same person's face. After Shiohara and Yamasaki's self-
blending (CVPR 2022), and the reconstructions of Cao et al., "End-to-End Reconstruction-Classification Learning for Face
Forgery Detection" (CVPR 2022).
"""

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import blending, face_regions, swapping
from deepfake_tf.autoencoders import FACE_SIZE_PX, Autoencoders
from deepfake_tf.blending import Blend, ClipArray, Random, SelfBlend
from deepfake_tf.face_regions import RIGHT_EAR, TYPICAL_KEYPOINTS

# Ears are often covered.
_FIRM = slice(0, RIGHT_EAR)
# A typical face, forehead and chin with it, fills the square.
_MIDDLE, _SIDE = np.array([0.505, 0.475], np.float32), 0.74
_PLACES = (TYPICAL_KEYPOINTS[_FIRM] - _MIDDLE) / _SIDE * FACE_SIZE_PX + FACE_SIZE_PX / 2
# As a share of the colours' way to the original's.
_LEAST_MATCHED = 0.5
# Of the original's own fine detail that half of all fakes get back: newer networks draw finer than these.
_MOST_DETAIL = 0.8
# As a share of the crop's side: what is finer is detail.
_DETAIL_SIZE = 0.015


class Reconstruction:
    """Puts reconstructed faces onto their own clips.

    Args:
        autoencoders: that draw the faces; one is chosen per clip.
        blend: which regions, and how soft their edge is.
    """

    def __init__(self, autoencoders: Autoencoders, blend: SelfBlend | None = None) -> None:
        self._autoencoders, self._blend = autoencoders, blend or SelfBlend()

    def __call__(
        self, clip: ClipArray, seed: int, *, keypoints_px: NDArray | None = None, mask: NDArray | None = None
    ) -> Blend:
        """Reconstructs the face of each frame.

        Args:
            clip: uint8 [T, H, W, 3] RGB, H = W; it is not changed.
            seed: 0 or more; the same seed gives the same fake.
            keypoints_px: float32 [T, 6, 2], BlazeFace's, in pixels of the crop; those of a typical crop if None.
            mask: bool [T], which frames are there; all if None. The others stay as they are.

        Returns:
            The fake and where the face lies.
        """
        random = np.random.default_rng(seed)
        there = np.ones(len(clip), bool) if mask is None else np.asarray(mask, bool)
        keypoints = face_regions.fill_in(keypoints_px, there, len(clip), clip.shape[1])
        name = self._autoencoders.names[random.integers(len(self._autoencoders.names))]
        weights = self._blend.draw_weights(keypoints, clip.shape[1], random)
        weights[~there] = 0
        drawn = self._autoencoders.draw(name, align(clip, keypoints))
        source = _move_back(drawn, keypoints, clip.shape[1], random)
        source = _finish(source, clip, weights, random)
        return Blend(blending.mix(source, clip, weights), weights)


def align(clip: ClipArray, keypoints: NDArray) -> ClipArray:
    """Returns each frame's face, upright, uint8 [T, FACE_SIZE_PX, FACE_SIZE_PX, 3].

    Args:
        clip: uint8 [T, H, W, 3].
        keypoints: float32 [T, 6, 2] in pixels of the crop.
    """
    import cv2

    size = (FACE_SIZE_PX, FACE_SIZE_PX)
    aligned = [
        cv2.warpAffine(frame, _to_face(points), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        for frame, points in zip(clip, keypoints, strict=True)
    ]
    return np.asarray(aligned, np.uint8)


def _to_face(keypoints: NDArray) -> NDArray[np.float64]:
    """Returns the turn, zoom and shift, [2, 3], that bring eyes, nose and mouth nearest to their places.

    Nothing else: a head seen from the side stays one.
    """
    points, places = (np.asarray(one, np.float64) @ (1, 1j) for one in (keypoints[_FIRM], _PLACES))
    (turn, shift), *_ = np.linalg.lstsq(np.column_stack([points, np.ones_like(points)]), places, rcond=None)
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _move_back(faces: ClipArray, keypoints: NDArray, size: int, random: Random) -> ClipArray:
    import cv2

    flags = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)[random.integers(3)] | cv2.WARP_INVERSE_MAP
    moved = [
        cv2.warpAffine(face, _to_face(points), (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        for face, points in zip(faces, keypoints, strict=True)
    ]
    return np.asarray(moved, np.uint8)


def _finish(source: ClipArray, clip: ClipArray, weights: NDArray, random: Random) -> ClipArray:
    """Recolours the drawn faces, and sharpens them or gives some of the original's detail back."""
    import cv2

    share = random.uniform(_LEAST_MATCHED, 1)
    detail = _MOST_DETAIL * max(0.0, random.uniform(-1, 1))
    sharpness = max(0.0, random.uniform(-1, 1))
    finished = np.empty_like(source)
    for number, (face, frame) in enumerate(zip(source, clip, strict=True)):
        near = swapping.match_colours(face, frame, weights[number], share)
        fine = frame.astype(np.float32) - cv2.GaussianBlur(frame.astype(np.float32), (0, 0), _DETAIL_SIZE * len(frame))
        near = np.clip(np.rint(near + detail * fine), 0, 255).astype(np.uint8)
        finished[number] = blending.sharpen(near, sharpness) if sharpness else near
    return finished
