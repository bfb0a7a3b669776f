"""A head over time sees what only time shows, a mean over frames cannot; more in tests/benchmarks/temporal_heads.py."""

import numpy as np
import pytest

from deepfake_tf.schema import FAKE, REAL
from tests.benchmarks.temporal_heads import auc_of
from tests.clips_of_flicker import SPEC, make_crops, write_flicker


def levels_of(trace: str, label: int, seed: int) -> np.ndarray:
    """Brightness of each frame [T]."""
    return np.array([crop.mean() for crop in make_crops(trace, label, np.random.default_rng(seed))])


def test_a_trace_in_time_leaves_each_frame_and_their_set_as_they_are():
    real = np.array([levels_of("time", REAL, seed) for seed in range(200)])
    fake = np.array([levels_of("time", FAKE, seed) for seed in range(200, 400)])
    # The frames of a clip by themselves: the same brightness on average, in the clip as a whole and at each place.
    assert np.mean(real) == pytest.approx(np.mean(fake), abs=3)
    assert np.mean(real, axis=0) == pytest.approx(np.mean(fake, axis=0), abs=8)
    assert np.mean(np.ptp(real, axis=1)) == pytest.approx(np.mean(np.ptp(fake, axis=1)), abs=1)
    # From one to the next: a drift against a flicker.
    assert np.abs(np.diff(real, axis=1)).max() < 20 < np.abs(np.diff(fake, axis=1)).mean()


def test_a_trace_in_space_says_nothing_in_time():
    size = SPEC.crop_size_px
    real, fake = (
        np.mean([make_crops("space", label, np.random.default_rng(seed)) for seed in range(100)], axis=(0, 1, 4))
        for label in (REAL, FAKE)
    )
    inside = np.zeros((size, size), bool)
    inside[size // 4 : -size // 4, size // 4 : -size // 4] = True
    assert (fake - real)[inside].mean() > 5
    assert (fake - real)[~inside].mean() == pytest.approx(0, abs=0.5)
    # The same draws: the same order of brightnesses.
    assert levels_of("space", REAL, 7).argsort().tolist() == levels_of("space", FAKE, 7).argsort().tolist()


@pytest.mark.slow
def test_an_lstm_sees_flicker_and_a_mean_does_not(tmp_path):
    data = write_flicker(tmp_path / "data", "time", {"train": 96, "val": 16, "test": 100}, seed=1)
    assert auc_of(data, tmp_path / "lstm", "lstm", 1, epochs=8) > 0.9
    assert auc_of(data, tmp_path / "mean", "mean", 1, epochs=8) < 0.7
