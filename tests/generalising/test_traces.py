import cv2
import numpy as np
import pytest

from deepfake_tf import face_regions
from tests.benchmarks import traces

SIZE = 112
KEYPOINTS = face_regions.TYPICAL_KEYPOINTS * SIZE
FINEST = [traces.MEASURES.index("light 0"), traces.MEASURES.index("colour 0")]


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(90, 160, (SIZE, SIZE, 3), np.uint8)


def with_face(crop, changed):
    outline = face_regions.place(face_regions.OUTLINES["face_and_forehead"], KEYPOINTS[None])
    inside = face_regions.draw(outline, SIZE)[0] > 127
    return np.where(inside[..., None], changed, crop)


def test_a_softer_face_is_below_0_and_a_sharper_one_above(noise):
    plain = traces.measure(noise, KEYPOINTS)
    np.testing.assert_allclose(plain[:-3], 0, atol=0.15)
    softer = traces.measure(with_face(noise, cv2.GaussianBlur(noise, (0, 0), 1.0)), KEYPOINTS)
    assert all(softer[FINEST] < -0.5)
    centred = noise.astype(float) - 125
    sharper = traces.measure(with_face(noise, np.clip(125 + 1.5 * centred, 0, 255).astype(np.uint8)), KEYPOINTS)
    np.testing.assert_allclose(sharper[FINEST], np.log(1.5), atol=0.1)
    # What is outside the face is told apart.
    np.testing.assert_allclose([softer[-1], sharper[-1]], plain[-1], atol=0.01)


def test_another_colour_is_told_in_grey_levels(noise):
    """Ten more of red are 0.713 * (1 - 0.299) of them in Cr and 0.564 * -0.299 in Cb (ITU-R BT.601).

    A part is lost, for colours are taken from the smoothed crop.
    """
    redder = traces.measure(with_face(noise, noise + np.array([10, 0, 0], np.uint8)), KEYPOINTS)
    change = redder - traces.measure(noise, KEYPOINTS)
    np.testing.assert_allclose(change[-3:-1], [10 * 0.713 * 0.701, -10 * 0.564 * 0.299], rtol=0.25)
