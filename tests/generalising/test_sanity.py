import numpy as np
import pytest

from deepfake_tf.generalising import sanity


def test_steadiness_is_told_apart_from_difference(clips):
    by_video = {name: number for number, name in enumerate(dict.fromkeys(clips.video_ids))}
    means = np.array([float(by_video[name]) for name in clips.video_ids])
    steady = sanity.steadiness(clips, means)
    assert steady["within"] == 0
    assert steady["between"] == pytest.approx(np.arange(6).std())
    assert steady["agreeing"] == 1
    # The two clips of a video 10 below and above its mean: one of them is always on the other side of the middle.
    shaking = sanity.steadiness(clips, means + np.tile([-10, 10], 6))
    assert shaking["within"] == pytest.approx(10)
    assert shaking["between"] == pytest.approx(steady["between"])
    assert shaking["agreeing"] == pytest.approx(0.5)
