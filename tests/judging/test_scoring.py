"""Scores of clips and videos, by arithmetic."""

import math

import keras
import numpy as np
import pytest

from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.errors import TrainingError
from deepfake_tf.judging import scoring
from deepfake_tf.schema import Calibration
from tests.clips_of_squares import SPEC, write_data


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    data = write_data(tmp_path_factory.mktemp("data"), {"test": [("a", 0), ("b", 1), ("c", 1)]})
    return list_clips(data, ["test"])


def model_of(function) -> keras.Model:
    size = SPEC.crop_size_px
    pixels = keras.Input((SPEC.num_frames, size, size, 3), name="clips")
    mask = keras.Input((SPEC.num_frames,), dtype="bool", name="mask")
    return keras.Model({"clips": pixels, "mask": mask}, function(pixels, mask))


def test_logits_come_in_the_order_of_the_table(clips):
    # As logit the number of frames that are there, and the mean of the first frame.
    model = model_of(
        lambda pixels, mask: (
            keras.ops.sum(keras.ops.cast(mask, "float32"), -1) + keras.ops.mean(pixels[:, 0], axis=(1, 2, 3))
        )
    )
    seen = []
    logits = scoring.predict_logits(model, clips, batch_size=4, on_progress=lambda *at: seen.append(at))
    assert seen == [(1, 2), (2, 2)]
    bright = logits - [clips.read(row)[1].sum() for row in range(len(clips))]
    assert [value > 115 for value in bright] == [False, False, True, True, True, True]
    assert logits.dtype == np.float64


def test_a_logit_that_is_no_number_is_an_error_in_words(clips):
    with pytest.raises(TrainingError, match="6 of 6 logits"):
        scoring.predict_logits(model_of(lambda pixels, mask: keras.ops.sum(pixels, axis=(1, 2, 3, 4)) / 0.0), clips)


def test_videos_join_their_clips(clips):
    mixed = clips.select([2, 0, 1, 3, 5])
    videos = scoring.join_videos(mixed, np.array([1.0, -3.0, -1.0, 4.0, 0.5]))
    assert videos.video_ids == ("b", "a", "c")
    assert videos.labels.tolist() == [1, 0, 1]
    assert videos.groups == ("group-b", "group-a", "group-c")
    assert videos.num_clips.tolist() == [2, 2, 1]
    np.testing.assert_allclose(videos.logits, [2.5, -2.0, 0.5])
    np.testing.assert_allclose(videos.scores, [1 / (1 + math.exp(-x)) for x in (2.5, -2.0, 0.5)])


def test_calibration_acts_on_the_joined_logit(clips):
    videos = scoring.join_videos(clips, np.arange(6.0), calibration=Calibration(scale=2.0, offset=-1.0))
    np.testing.assert_allclose(videos.logits, [0.5, 2.5, 4.5])
    np.testing.assert_allclose(videos.scores, [1 / (1 + math.exp(1 - 2 * x)) for x in (0.5, 2.5, 4.5)])


def test_clip_scores_are_the_logistic_of_their_logits():
    np.testing.assert_allclose(scoring.clip_scores(np.array([0.0, 700.0, -700.0])), [0.5, 1.0, 0.0], atol=1e-12)
