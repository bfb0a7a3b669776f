import dataclasses

import numpy as np
import pytest

from deepfake_tf import manifest, records
from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.reporting import face_sizes
from tests.clips_of_squares import INFO, SPEC, make_clip, make_crop, write_data


def test_the_median_is_over_the_frames_with_a_face(tmp_path):
    data = write_data(tmp_path / "data", {"test": [("a", 0)]})
    entry = manifest.read_manifest(data / "manifest.csv")[0]
    boxes = np.array([[0, 0, 50, 40], [10, 10, 30, 80], [5, 5, 65, 65], [0, 0, 999, 999]], np.float32)
    crops = [make_crop(0, np.random.default_rng(0)) for _ in range(4)]
    clips = [
        dataclasses.replace(make_clip(crops, clip_id="0/0", missing=(3,)), boxes_xyxy_px=boxes),
        dataclasses.replace(make_clip(crops, clip_id="0/1", missing=(0, 1, 2, 3)), boxes_xyxy_px=boxes),
    ]
    (shard,) = data.glob("*.tfrecord")
    records.write_shard(shard, [records.encode_clip(clip, entry, SPEC, INFO) for clip in clips])
    # Longer sides 50, 70 and 60; the fourth frame has no face, and the second clip none at all.
    found = face_sizes.median_sizes_px(list_clips(data, ["test"]))
    assert found[0] == 60.0
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("size", "word"),
    [(0, "below 64 px"), (63.9, "below 64 px"), (64, "64-128 px"), (255, "128-256 px"), (256, "256 px or more")],
)
def test_sizes_have_names(size, word):
    assert face_sizes.size_word(size) == word
    assert face_sizes.size_word(float("nan")) == ""
