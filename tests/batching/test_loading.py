"""Decoding crops into a batch, against the decoders of OpenCV and of a served model."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from deepfake_tf.batching.clip_table import StoredFrames
from deepfake_tf.batching.loading import _decode, _place

SUBSAMPLINGS = {"4:4:4": 0x111111, "4:2:2": 0x211111, "4:2:0": 0x221111, "4:4:0": 0x121111}


def frames_of(crops, mask):
    return StoredFrames(np.arange(len(crops)), tuple(crops), np.array(mask), np.zeros((len(crops), 6, 2), np.float32))


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("size", [16, 31, 112])
def test_pixels_equal_opencvs_and_a_served_models(subsampling, size):
    picture = cv2.GaussianBlur(np.random.default_rng(size).integers(0, 256, (size, size, 3), dtype=np.uint8), (0, 0), 1)
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SUBSAMPLINGS[subsampling]]
    crops = [
        cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, *sampling])[1].tobytes()
        for quality in (30, 75, 95, 100)
    ]
    pixels = np.empty((4, size, size, 3), np.uint8)
    _decode(frames_of(crops, [True] * 4), np.ones(4, bool), pixels, Path("shard"))
    for crop, found in zip(crops, pixels, strict=True):
        np.testing.assert_array_equal(found, cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR_RGB))
        served = tf.io.decode_jpeg(crop, channels=3, dct_method="INTEGER_ACCURATE")
        np.testing.assert_array_equal(found, served)


def test_only_what_is_wanted_is_decoded_and_what_is_missing_is_blank():
    white = cv2.imencode(".jpg", np.full((16, 16, 3), 255, np.uint8))[1].tobytes()
    pixels = np.full((3, 16, 16, 3), 9, np.uint8)
    _decode(frames_of([white] * 3, [True, False, True]), np.array([True, True, False]), pixels, Path("shard"))
    assert [int(frame.mean()) for frame in pixels] == [255, 0, 9]


def test_places_spread_evenly_and_follow_from_the_seed():
    places = np.array([_place(seed) for seed in range(4000)])
    assert places.min() >= 0
    assert places.max() < 1
    assert np.histogram(places, 8, (0, 1))[0].min() > 450
    assert _place(2**62 - 1) == _place(2**62 - 1) < 1
