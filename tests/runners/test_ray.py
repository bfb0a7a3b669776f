"""The runner ray on a cluster of two nodes, one of which is lost."""

import contextlib
import os
import signal
import sys
import types
from pathlib import Path

import pytest

from deepfake_tf import layouts
from deepfake_tf.data_folder import ShardSettings
from deepfake_tf.errors import AssetError, ConfigError, DataError
from deepfake_tf.runners import RunSettings, ShardTask, VideoDone, extract_manifest, ray
from deepfake_tf.schema import ClipSpec, Outcome
from deepfake_tf.synthetic import make_videos

SETTINGS = ShardSettings(ClipSpec(num_frames=4, clips_per_video=2, crop_size_px=64), videos_per_shard=2)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r'pip install "deepfake-tf\[ray\]"'):
        ray.run([], contextlib.nullcontext, settings=RunSettings(runner="ray"), on_event=print)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:port"])
def test_no_cluster_is_told_at_once(address, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(is_initialized=lambda: False))
    with pytest.raises(ConfigError, match=f"no Ray cluster at '{address}'.*ray start --head"):
        ray.run([], contextlib.nullcontext, settings=RunSettings(runner="ray", address=address), on_event=print)


class Failing:
    """A worker that raises, on its node, what a worker may raise."""

    def __init__(self, kind):
        self.kind = kind

    def __call__(self):
        return contextlib.nullcontext(self.work)

    def work(self, task, on_event):
        raise self.kind(f"{task.name} says so")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [AssetError, DataError])
def test_error_on_a_node_arrives_as_it_was_raised(ray_address, kind):
    settings = RunSettings(runner="ray", address=ray_address)
    with pytest.raises(kind) as caught:
        ray.run([ShardTask("shard", "train", ())], Failing(kind), settings=settings, on_event=print)
    assert str(caught.value) == "shard says so"


def tell_process(task, on_event):
    on_event(VideoDone(str(os.getpid()), Outcome.OK, 1))


def open_teller():
    return contextlib.nullcontext(tell_process)


@pytest.mark.slow
def test_tasks_run_in_other_processes(ray_address):
    told = []
    settings = RunSettings(runner="ray", address=ray_address)
    ray.run([ShardTask("shard", "train", ())], open_teller, settings=settings, on_event=told.append)
    assert told[0].video_id != str(os.getpid())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def at_work(node) -> list[int]:
    """The processes of a node that make a shard: Ray names them after what they do."""
    raylet = node.all_processes["raylet"][0].process.pid
    children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
    return [int(pid) for pid in children if b"_make_shard" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def lose_a_node_at_work(cluster) -> None:
    """What is left when a machine is switched off: nothing of it goes on."""
    busy = []
    while not busy:
        busy = [(node, pids) for node in cluster.worker_nodes if (pids := at_work(node))]
    node, pids = busy[0]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_node_lost_midway_gives_identical_shards(ray_cluster, tmp_path):
    make_videos(tmp_path / "videos", num_real=8, num_fake=8, seed=1)
    settings = layouts.ManifestSettings("made")
    entries = layouts.make_manifest("folder", tmp_path / "videos", tmp_path / "manifest.csv", settings=settings)
    extract_manifest(entries, tmp_path / "serial", SETTINGS, run=RunSettings(runner="serial"))
    lost = []

    def lose_a_node(standing):
        if standing.num_done >= 2 and not lost:
            lost.append(standing.num_done)
            lose_a_node_at_work(ray_cluster)

    run = RunSettings(runner="ray", address=ray_cluster.address)
    extract_manifest(entries, tmp_path / "ray", SETTINGS, run=run, on_progress=lose_a_node)
    ray_cluster.add_node(num_cpus=1)
    # Midway: some of the 16 were done, and others not.
    assert 2 <= lost[0] < 16
    assert contents(tmp_path / "ray") == contents(tmp_path / "serial")
