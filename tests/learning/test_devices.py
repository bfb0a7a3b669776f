"""Several devices come to the step of one: two virtual CPUs of a process, and two processes."""

import dataclasses
import json
import socket

import numpy as np
import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.devices import _place, find_devices
from deepfake_tf.learning.settings import TrainSettings
from tests import warm_processes
from tests.clips_of_squares import both_classes, write_data

# Nothing is drawn, and no statistics are taken, that would differ between a batch and its parts.
SETTINGS = TrainSettings(
    backbone_settings={"channels": [4, 8], "dropout": 0.0, "trainable": "none"},
    head="mean",
    dropout=0.0,
    optimizer="sgd",
    learning_rate=0.05,
    clip_norm=0.05,
    accumulate=2,
    ema=0.9,
    batch_size=4,
    epochs=1,
)
# All that can go wrong in other ways: statistics, dropout, gradients that are scaled, a part of the network that waits.
ROUGH = dataclasses.replace(
    SETTINGS,
    backbone_settings={"channels": [4, 8], "dropout": 0.2},
    dropout=0.2,
    optimizer="adamw",
    precision="mixed_float16",
    backbone_rate=0.1,
)


def train_all(num_devices, data, runs):
    """Several trainings in one process, as a search has them."""
    if num_devices > 1:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * num_devices)
    from deepfake_tf.learning.training import train

    for run_dir, settings in runs:
        train(data, run_dir, settings, num_devices=num_devices)


def test_one_cpu_is_the_default_and_takes_no_strategy():
    devices = find_devices(environment={})
    assert (devices.num_replicas, devices.num_workers, devices.worker, devices.writes) == (1, 1, 0, True)
    batch = {"clips": np.zeros(3)}
    assert devices.share_out(batch) is batch
    np.testing.assert_array_equal(devices.gather(np.array([1.0, 2.0])), [1.0, 2.0])


def test_more_devices_than_there_are_is_an_error_in_words():
    with pytest.raises(ConfigError, match="sees 1 CPUs here. Received: --devices 3"):
        find_devices(3, environment={})


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "{}",
        '{"cluster": {"worker": ["a:1", "b:1"]}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["c:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}}',
    ],
)
def test_a_wrong_tf_config_is_an_error_in_words(text):
    with pytest.raises(ConfigError, match="TF_CONFIG must be"):
        find_devices(environment={"TF_CONFIG": text})


def test_tf_config_says_which_worker_this_is():
    text = '{"cluster": {"worker": ["a:1", "b:1", "c:1"]}, "task": {"type": "worker", "index": 2}}'
    assert _place(text) == (2, 3)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    # 20 clips: five batches, of which the last changes the weights alone. 12 are validated, 6 on each of two devices.
    return write_data(
        tmp_path_factory.mktemp("squares") / "data", {"train": both_classes("t", 5), "val": both_classes("v", 3)}
    )


def finish(*processes):
    for process in processes:
        process.join(timeout=280)
        assert process.exitcode == 0


def devices(run_dir):
    return json.loads((run_dir / "run.json").read_text())["result"]["devices"]


def assert_equal_runs(one, other):
    from deepfake_tf.runs import load_run

    for first, second in zip(load_run(one)[0].get_weights(), load_run(other)[0].get_weights(), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)
    first, second = (json.loads((run_dir / "run.json").read_text())["result"]["metrics"] for run_dir in (one, other))
    assert first == pytest.approx(second, abs=1e-5)


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    from deepfake_tf.learning.training import train

    run_dir = tmp_path_factory.mktemp("alone") / "run"
    train(data, run_dir, SETTINGS)
    return run_dir


@pytest.mark.slow
def test_two_devices_of_a_process_come_to_the_weights_of_one(data, alone, tmp_path):
    runs = [(tmp_path / "run", SETTINGS), (tmp_path / "rough", ROUGH)]
    finish(warm_processes.start(train_all, 2, data, runs))
    expected = {"names": ["CPU", "CPU"], "num_replicas": 2, "num_workers": 1}
    assert [devices(run_dir) for run_dir, _ in runs] == [expected] * 2
    assert_equal_runs(tmp_path / "run", alone)
    assert (tmp_path / "rough" / "curves.png").is_file()


@pytest.mark.slow
def test_two_workers_come_to_the_weights_of_one(data, alone, tmp_path):
    with socket.socket() as one, socket.socket() as other:
        one.bind(("localhost", 0))
        other.bind(("localhost", 0))
        workers = [f"localhost:{free.getsockname()[1]}" for free in (one, other)]
    clusters = [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}} for index in range(2)]
    run = [(tmp_path / "run", SETTINGS)]
    finish(*[warm_processes.start(train_all, 0, data, run, TF_CONFIG=json.dumps(one)) for one in clusters])
    assert devices(tmp_path / "run") == {"names": ["CPU"], "num_replicas": 2, "num_workers": 2}
    assert_equal_runs(tmp_path / "run", alone)
