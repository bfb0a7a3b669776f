"""A run that is stopped again and again, at last by SIGKILL, ends with the weights of one that was not."""

import os
import signal

import numpy as np
import pytest

from deepfake_tf import runs
from deepfake_tf.learning import training
from deepfake_tf.learning.settings import TrainSettings
from tests import warm_processes
from tests.clips_of_squares import both_classes, write_data

# Everything that has a state: moments, average, schedule, a backbone that waits, dropout, what is drawn and gathered.
SETTINGS = TrainSettings(
    backbone_settings={"channels": [4, 8], "dropout": 0.2},
    head="mean",
    dropout=0.2,
    optimizer="adamw",
    learning_rate=0.01,
    warmup_epochs=1,
    schedule="cosine",
    clip_norm=1.0,
    ema=0.9,
    accumulate=2,
    freeze_epochs=1,
    backbone_rate=0.5,
    balance="class",
    blended_share=0.5,
    label_smoothing=0.1,
    batch_size=4,
    epochs=3,
    deterministic=True,
)


class Stop(Exception):
    pass


def stop_at(epoch, step):
    def stop(at):
        if (at.epoch, at.step) == (epoch, step):
            raise Stop

    return stop


def train_until_killed(data, run_dir):
    def kill(at):
        if (at.epoch, at.step) == (3, 3):
            os.kill(os.getpid(), signal.SIGKILL)

    training.train(data, run_dir, SETTINGS, on_progress=kill, save_every_sec=0)


@pytest.mark.slow
def test_a_run_that_is_stopped_again_and_again_ends_as_one_that_is_not(tmp_path):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 5), "val": both_classes("v", 2)})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = training.train(data, whole, SETTINGS)
    # Before anything is saved; between two changes of the weights, when the backbone has just begun to learn.
    for moment in ((1, 1), (2, 3)):
        with pytest.raises(Stop):
            training.train(data, parts, SETTINGS, on_progress=stop_at(*moment), save_every_sec=0)
    killed = warm_processes.start(train_until_killed, data, parts)
    killed.join(200)
    assert killed.exitcode == -signal.SIGKILL
    found = training.train(data, parts, SETTINGS)
    assert found["result"]["metrics"] == expected["result"]["metrics"]
    assert (parts / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()
    for one, other in zip(runs.load_run(parts)[0].get_weights(), runs.load_run(whole)[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
