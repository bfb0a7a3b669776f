import cv2
import numpy as np
import pytest

from deepfake_tf import face_regions
from deepfake_tf.blending import SelfBlend
from deepfake_tf.errors import DataError
from deepfake_tf.swapping import Face, FaceSwap

SIZE = 96
SEEDS = range(12)
TYPICAL = face_regions.TYPICAL_KEYPOINTS * SIZE
# Looks aside: the nose is near one eye.
ASIDE = TYPICAL + np.array([[0, 0], [0, 0], [9, 0], [5, 0], [0, 0], [0, 0]], np.float32)


def flat(colour, size=SIZE):
    return np.full((size, size, 3), colour, np.uint8)


def face(colour, person, keypoints=TYPICAL):
    return Face(flat(colour), keypoints, person)


def noise(seed):
    return np.random.default_rng(seed).integers(60, 196, (SIZE, SIZE, 3), dtype=np.uint8)


# A region whose middle is all of another face.
WHOLE = SelfBlend(shapes=("face", "oval"), seams=(0.006, 0.02))


def swap(faces, clip, seed=0, person="me", **more):
    return FaceSwap(faces, WHOLE)(clip, seed, person=person, **more)


def test_a_face_lies_inside_the_seam_and_the_rest_stays():
    clip = np.stack([noise(0), noise(1), noise(2)])
    before, mask = clip.copy(), np.array([True, False, True])
    keypoints = np.repeat(TYPICAL[None], 3, axis=0)
    for seed in SEEDS:
        made = swap([face((90, 60, 50), "a"), face((90, 60, 50), "b")], clip, seed, keypoints_px=keypoints, mask=mask)
        assert made.clip.dtype == np.uint8
        assert made.weights.dtype == np.float32
        outside = made.weights == 0
        np.testing.assert_array_equal(made.clip[outside], before[outside])
        assert outside[1].all()
        # A flat face on a noisy head.
        for number in (0, 2):
            inside = made.weights[number] > 0.99
            assert inside.any()
            assert made.clip[number][inside].std(axis=0).max() < 1 < before[number][inside].std(axis=0).min()
    np.testing.assert_array_equal(clip, before)


def test_one_seed_gives_one_fake():
    faces = [Face(noise(number), TYPICAL, str(number)) for number in range(5)]
    made = [swap(faces, noise(9)[None], seed).clip.tobytes() for seed in SEEDS]
    assert made == [swap(faces, noise(9)[None], seed).clip.tobytes() for seed in SEEDS]
    assert len(set(made)) == len(SEEDS)


def test_nobody_gets_a_face_of_their_own():
    faces = [Face(noise(0), TYPICAL, "me"), Face(flat((128, 128, 128)), TYPICAL, "you")]
    for seed in SEEDS:
        made = swap(faces, noise(0)[None], seed)
        assert made.clip[0][made.weights[0] > 0.99].std(axis=0).max() < 1


def test_the_fake_says_whose_face_it_wears_and_takes_that_of_whom_it_is_told():
    faces = [Face(flat((90 + 10 * number,) * 3), TYPICAL, f"p{number % 4}") for number in range(8)]
    drawn = {swap(faces, noise(9)[None], seed, person="p0").source for seed in SEEDS}
    assert drawn == {"p1", "p2", "p3"}
    for seed in SEEDS:
        assert swap(faces, noise(9)[None], seed, person="p0", source="p2").source == "p2"


def test_a_face_is_turned_as_the_head_is():
    smooth = [cv2.GaussianBlur(noise(number), (0, 0), 2) for number in range(80)]
    faces = [Face(one, ASIDE if number % 2 else TYPICAL, f"p{number}") for number, one in enumerate(smooth)]
    chooser = FaceSwap(faces)
    for keypoints, wanted in ((TYPICAL, 0), (ASIDE, 1)):
        chosen = [chooser._choose(noise(99), keypoints, np.arange(80), np.random.default_rng(seed)) for seed in SEEDS]
        assert {int(one.person[1:]) % 2 for one in chosen} == {wanted}


def test_colours_come_near_those_of_the_head():
    red, blue = (170, 90, 80), (70, 90, 170)
    for seed in SEEDS:
        made = swap([face(blue, "a"), face(blue, "b")], flat(red)[None], seed)
        inside = made.clip[0][made.weights[0] > 0.99].mean(axis=0)
        assert np.abs(inside - red).max() < 0.4 * np.abs(np.subtract(blue, red)).max()


def test_a_face_is_moved_onto_the_key_points():
    dotted = flat((120, 120, 120))
    x, y = TYPICAL[face_regions.NOSE].astype(int)
    dotted[y - 3 : y + 4, x - 3 : x + 4] = 20
    shifted = np.clip(TYPICAL + (9, -6), 0, SIZE - 1)
    for seed in SEEDS:
        made = swap(
            [Face(dotted, TYPICAL, "a"), Face(dotted, TYPICAL, "b")],
            flat((120, 120, 120))[None],
            seed,
            keypoints_px=shifted[None],
        )
        darkest = np.unravel_index(made.clip[0].sum(axis=2).argmin(), (SIZE, SIZE))
        assert darkest == pytest.approx((y - 6, x + 9), abs=4)


def test_one_person_alone_cannot_be_swapped():
    with pytest.raises(DataError, match="two people or more"):
        FaceSwap([face((1, 2, 3), "a"), face((1, 2, 3), "a")])
