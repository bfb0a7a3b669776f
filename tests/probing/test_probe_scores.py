"""How well logits do, on all videos and on matched pairs alone."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.probing.probe_scores import measure
from tests.clips_of_squares import both_classes, write_data


def test_matched_pairs_are_measured_apart(tmp_path):
    pairs = {f"p{number}": f"pair-{number // 2}" for number in range(8)}
    videos = {"test": [*both_classes("p", 4), *both_classes("a", 4)], "val": both_classes("v", 4)}
    data = write_data(tmp_path / "data", videos, groups=pairs)
    clips = list_clips(data, ["test"])
    # Alone they are told apart, in pairs they are not.
    logits = np.where([name in pairs for name in clips.video_ids], np.arange(len(clips)) % 7, 10.0 * clips.labels)
    found = measure(clips, logits)
    videos_of_pairs = sorted(pairs)
    means = [np.mean(logits[[one == name for one in clips.video_ids]]) for name in videos_of_pairs]
    labels = [int(name[1:]) % 2 for name in videos_of_pairs]
    assert found["pairs"]["roc_auc"] == pytest.approx(roc_auc_score(labels, means))
    assert found["pairs"]["interval"][0] <= found["pairs"]["roc_auc"] <= found["pairs"]["interval"][1]
    assert found["roc_auc"] > found["pairs"]["roc_auc"]
    val = list_clips(data, ["val"])
    assert measure(val, np.arange(16.0))["pairs"] is None
    # The same in every draw is no interval.
    right = measure(val, 1.0 * val.labels)
    assert (right["roc_auc"], right["interval"]) == (1.0, [None, None])
