"""The contract that every op keeps; a new file in augment/ is tested by being there."""

import dataclasses
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from deepfake_tf import augment, face_regions, plugins
from deepfake_tf.augment import (
    _albumentations,
    cutout,
    downscale,
    flip,
    flip_vertical,
    gauss_noise,
    h264,
    jpeg,
    one_of,
    rotate90,
    sensor_noise,
    shift_scale_rotate,
    transpose,
)
from deepfake_tf.errors import ConfigError

NAMES = plugins.names("augment")
SEEDS = range(6)
NOT_ABOUT_COLOUR = {"cutout"}


def make_op(name, probability=1.0):
    if name == "one_of":
        return one_of.Op(ops=(flip.Op(probability=1.0), flip_vertical.Op(probability=1.0)), probability=probability)
    return dataclasses.replace(plugins.load("augment", name).Op(), probability=probability)


@pytest.fixture(params=NAMES)
def op(request):
    return make_op(request.param)


def make_frame(size=32, seed=0):
    """A smooth coloured picture without symmetry."""
    noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.5)


def make_clip(num_frames=4, size=32):
    return np.stack([make_frame(size, seed) for seed in range(num_frames)])


def make_still_clip(num_frames=4):
    return np.repeat(make_frame()[None], num_frames, axis=0)


def test_equal_frames_stay_equal_unless_the_op_says_otherwise(op):
    still = [bool((changed == changed[:1]).all()) for changed in (op(make_still_clip(), seed) for seed in SEEDS)]
    assert all(still) != op.per_frame


@pytest.mark.parametrize(("num_frames", "size"), [(4, 32), (1, 17), (3, 128)])
def test_shape_and_type_stay_and_the_clip_is_not_touched(op, num_frames, size):
    clip = make_clip(num_frames, size)
    before = clip.copy()
    changed = op(clip, 1)
    assert changed.shape == clip.shape
    assert changed.dtype == np.uint8
    assert changed.flags.c_contiguous
    np.testing.assert_array_equal(clip, before)


def test_same_seed_same_clip_and_seeds_differ(op):
    clip = make_clip(2, 224)
    first = [op(clip, seed) for seed in range(20)]
    again = [op(clip, seed) for seed in range(20)]
    np.testing.assert_array_equal(first, again)
    if not isinstance(op, (flip.Op, flip_vertical.Op, transpose.Op)):
        assert len({one.tobytes() for one in first}) > 1


def test_threads_do_not_disturb_each_other(op):
    clip = make_clip()
    expected = [op(clip, seed) for seed in range(30)]
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(lambda seed: op(clip, seed), range(30))), expected)


def test_same_clip_in_tf_data(op):
    import tensorflow as tf

    clip = make_clip()
    seeds = tf.data.Dataset.range(8)
    mapped = seeds.map(
        lambda seed: tf.numpy_function(lambda one: op(clip, int(one)), [seed], tf.uint8), num_parallel_calls=4
    )
    for seed, changed in enumerate(mapped.as_numpy_iterator()):
        np.testing.assert_array_equal(changed, op(clip, seed))


@pytest.mark.parametrize("name", NAMES)
def test_chance_is_what_it_says(name):
    clip = make_clip(2, 16)
    num_changed = sum((make_op(name, 0.3)(clip, seed) != clip).any() for seed in range(200))
    # 60 are expected, 45 of a quarter turn; a fair draw leaves these bounds once in a million.
    assert 20 <= num_changed <= 95
    assert all((make_op(name, 0.0)(clip, seed) == clip).all() for seed in range(20))


@pytest.mark.parametrize("name", sorted(set(NAMES) - NOT_ABOUT_COLOUR))
def test_values_do_not_wrap_around(name):
    white, black = (np.full((2, 32, 32, 3), level, np.uint8) for level in (255, 0))
    for seed in range(30):
        assert make_op(name)(white, seed).min() > 100
        assert make_op(name)(black, seed).max() < 155


@pytest.mark.parametrize("name", NAMES)
def test_survives_json(name):
    op = make_op(name, 0.25)
    assert augment.from_json(augment.to_json([op])) == (op,)


def test_unknown_op_or_setting_is_refused():
    with pytest.raises(ConfigError, match="Did you mean 'jpeg'"):
        augment.from_json([{"op": "jpg"}])
    with pytest.raises(ConfigError, match="qualty"):
        augment.from_json([{"op": "jpeg", "qualty": [1, 2]}])


@pytest.mark.parametrize(
    "name", [name for name in NAMES if isinstance(make_op(name), _albumentations.AlbumentationsOp)]
)
def test_frame_by_frame_equals_albumentations_on_the_whole_clip(name):
    clip, op = make_clip(), make_op(name)
    transform = op.transform()
    for seed in SEEDS:
        transform.set_random_seed(seed)
        # On many channels at once OpenCV rounds differently now and then.
        expected = transform(images=clip)["images"].astype(int)
        assert np.abs(op(clip, seed) - expected).max() <= 1


def test_mirrors_and_turns_equal_numpys():
    clip = make_clip()
    np.testing.assert_array_equal(flip.Op(probability=1)(clip, 0), clip[:, :, ::-1])
    np.testing.assert_array_equal(flip_vertical.Op(probability=1)(clip, 0), clip[:, ::-1])
    np.testing.assert_array_equal(transpose.Op(probability=1)(clip, 0), clip.swapaxes(1, 2))
    turned = {rotate90.Op(probability=1)(clip, seed).tobytes() for seed in range(40)}
    assert turned == {np.rot90(clip, quarter, axes=(1, 2)).tobytes() for quarter in range(4)}


def test_every_op_of_a_recipe_draws_for_itself():
    clip = make_clip()
    ops = (flip.Op(probability=0.5),) * 2
    outcomes = [(augment.apply(ops, clip, seed) == clip).all() for seed in range(200)]
    # Two equal draws would always give the clip back.
    assert 60 < sum(outcomes) < 140


def test_one_of_runs_one_or_none():
    clip = make_clip()
    expected = {clip.tobytes(), clip[:, :, ::-1].tobytes(), clip[:, ::-1].tobytes()}
    assert {make_op("one_of", 0.5)(clip, seed).tobytes() for seed in range(60)} == expected


def test_one_of_differs_by_frame_if_any_of_its_ops_does():
    assert not one_of.Op(ops=(flip.Op(),)).per_frame
    assert one_of.Op(ops=(flip.Op(), gauss_noise.Op())).per_frame


def test_noise_has_the_strength_that_was_asked_for():
    grey = np.full((8, 64, 64, 3), 128, np.uint8)
    noisy = gauss_noise.Op(probability=1, variance=(100, 100))(grey, 0).astype(float)
    assert noisy.std() == pytest.approx(10, rel=0.1)
    assert noisy.mean() == pytest.approx(128, abs=0.2)
    # No frame tells anything of another's noise: six standard deviations of the correlation of 12,288 values.
    correlations = np.corrcoef(noisy.reshape(8, -1)) - np.eye(8)
    assert np.abs(correlations).max() < 0.054


def test_sensor_noise_grows_with_the_light():
    levels = np.repeat(np.array([20, 80, 180], np.uint8), 64 * 64 * 3).reshape(3, 64, 64, 3)
    noisy = sensor_noise.Op(probability=1, read_std=(2, 2), gain=(0.3, 0.3))(levels, 0).astype(float)
    expected = np.sqrt(2**2 + 0.3 * np.array([20, 80, 180]))
    np.testing.assert_allclose(noisy.std(axis=(1, 2, 3)), expected, rtol=0.05)
    np.testing.assert_allclose(noisy.mean(axis=(1, 2, 3)), [20, 80, 180], atol=0.3)


@pytest.mark.parametrize("make", [lambda q: jpeg.Op(1.0, (q, q)), lambda q: h264.Op(1.0, (62 - q // 2, 62 - q // 2))])
def test_stronger_compression_loses_more(make):
    clip = make_clip(8, 64)
    losses = [np.abs(make(quality)(clip, 0).astype(int) - clip).mean() for quality in (90, 60, 30)]
    assert losses == sorted(losses)
    assert 0 < losses[0] < losses[-1] < 30


def test_h264_keeps_order_and_odd_sizes():
    clip = np.stack([np.full((33, 33, 3), level, np.uint8) for level in range(20, 220, 20)])
    changed = h264.Op(probability=1, rate_factor=(20, 20))(clip, 0)
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), clip.mean(axis=(1, 2, 3)), atol=3)


def test_downscale_loses_fine_detail_and_keeps_the_rest():
    clip = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    changed = downscale.Op(1.0, (0.3, 0.3))(clip, 0)
    assert cv2.Laplacian(changed[0], cv2.CV_64F).std() < 0.2 * cv2.Laplacian(clip[0], cv2.CV_64F).std()
    assert changed.mean() == pytest.approx(clip.mean(), abs=1)
    # Smooth, not in blocks.
    assert (np.diff(changed.astype(int), axis=2) == 0).mean() < 0.2


def test_shift_scale_rotate_keeps_a_grey_clip_grey():
    grey = np.full((2, 32, 32, 3), 77, np.uint8)
    np.testing.assert_array_equal(shift_scale_rotate.Op(probability=1)(grey, 3), grey)


def test_cutout_follows_the_face_and_leaves_the_rest():
    clip = np.full((2, 64, 64, 3), 200, np.uint8)
    keypoints = np.repeat(face_regions.TYPICAL_KEYPOINTS[None] * 64, 2, axis=0)
    keypoints[1, :, 0] += 10
    changed = cutout.Op(probability=1, parts=("mouth",))(clip, 0, keypoints, None)
    middles = [np.argwhere(frame[:, :, 0] == 0).mean(axis=0) for frame in changed]
    np.testing.assert_allclose(middles[1] - middles[0], (0, 10), atol=0.6)
    np.testing.assert_allclose(middles[0][::-1], keypoints[0, face_regions.MOUTH], atol=1.5)
    assert (changed == 200).mean() > 0.85


def test_keypoints_reach_the_op_that_needs_them():
    clip = np.full((1, 64, 64, 3), 200, np.uint8)
    high = face_regions.TYPICAL_KEYPOINTS[None] * 64 - np.array([0, 15], np.float32)
    ops = (cutout.Op(probability=1, parts=("eyes",)),)
    low_part = augment.apply(ops, clip, 0)
    high_part = augment.apply(ops, clip, 0, keypoints_px=high, mask=np.array([True]))
    assert np.argwhere(high_part == 0).mean(axis=0)[1] < np.argwhere(low_part == 0).mean(axis=0)[1] - 10


def test_importing_an_op_asks_the_network_for_nothing():
    code = """
import os, socket
def refuse(*_): raise SystemExit("asked the network")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
os.environ.pop("NO_ALBUMENTATIONS_UPDATE", None)
import numpy as np
from deepfake_tf.augment import turn
turn.Op(probability=1.0)(np.zeros((1, 8, 8, 3), np.uint8), 0)
print("quiet")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "quiet", done.stderr
