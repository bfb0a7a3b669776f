import cv2
import numpy as np
import pytest

from deepfake_tf import face_regions, reconstructing
from deepfake_tf.autoencoders import FACE_SIZE_PX
from deepfake_tf.blending import SelfBlend
from deepfake_tf.face_regions import MOUTH, NOSE
from deepfake_tf.reconstructing import Reconstruction, align

SIZE = 96
SEEDS = range(12)
TYPICAL = face_regions.TYPICAL_KEYPOINTS * SIZE
# A region whose middle is all of the drawn face.
WHOLE = SelfBlend(shapes=("face", "oval"), seams=(0.006, 0.02), strengths=(1.0,))


class Inverting:
    """Draws negatives."""

    names = ("one", "two")

    def draw(self, name, faces):
        return 255 - faces


class Copying(Inverting):
    """Draws what it sees."""

    def draw(self, name, faces):
        return faces


class Flat(Inverting):
    """Draws a colour."""

    def draw(self, name, faces):
        return np.full_like(faces, 90)


def noise(seed):
    return np.random.default_rng(seed).integers(60, 196, (SIZE, SIZE, 3), dtype=np.uint8)


def turned(angle, zoom, shift):
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = TYPICAL.mean(axis=0)
    return ((TYPICAL - middle) @ turn.T + middle + shift).astype(np.float32)


def test_a_drawn_face_lies_inside_the_seam_and_the_rest_stays():
    clip = np.stack([noise(0), noise(1), noise(2)])
    before, mask = clip.copy(), np.array([True, False, True])
    keypoints = np.repeat(TYPICAL[None], 3, axis=0)
    for seed in SEEDS:
        made = Reconstruction(Flat(), WHOLE)(clip, seed, keypoints_px=keypoints, mask=mask)
        assert (made.clip.dtype, made.weights.dtype) == (np.uint8, np.float32)
        outside = made.weights == 0
        np.testing.assert_array_equal(made.clip[outside], before[outside])
        assert outside[1].all()
        for number in (0, 2):
            inside = made.weights[number] > 0.99
            # What is left of the noise is the detail that some fakes get back.
            assert made.clip[number][inside].std() < 0.9 * before[number][inside].std()
    np.testing.assert_array_equal(clip, before)


def test_one_seed_gives_one_fake():
    make = Reconstruction(Inverting())
    made = [make(noise(9)[None], seed).clip.tobytes() for seed in SEEDS]
    assert made == [make(noise(9)[None], seed).clip.tobytes() for seed in SEEDS]
    assert len(set(made)) == len(SEEDS)


@pytest.mark.parametrize(("angle", "zoom", "shift"), [(0, 1, (0, 0)), (0.3, 0.8, (7, -5)), (-0.4, 1.2, (-4, 3))])
def test_a_face_is_made_upright_and_comes_back_to_its_place(angle, zoom, shift):
    keypoints = turned(angle, zoom, shift)
    frame = np.full((SIZE, SIZE, 3), 120, np.uint8)
    for point in (NOSE, MOUTH):
        x, y = keypoints[point]
        cv2.circle(frame, (round(float(x)), round(float(y))), 3, (20, 20, 20), -1)
    upright = align(frame[None], keypoints[None])
    assert upright.shape == (1, FACE_SIZE_PX, FACE_SIZE_PX, 3)
    for point in (NOSE, MOUTH):
        x, y = np.rint(reconstructing._PLACES[point]).astype(int)
        assert upright[0, y, x].max() < 60
    smooth = cv2.GaussianBlur(noise(5), (0, 0), 4)
    for seed in SEEDS:
        made = Reconstruction(Copying(), WHOLE)(smooth[None], seed, keypoints_px=keypoints[None])
        inside = made.weights[0] > 0.99
        assert np.abs(made.clip[0].astype(int) - smooth)[inside].mean() < 2
