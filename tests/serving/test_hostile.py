"""Small versions of the long proofs under tests/benchmarks: hostile streams, and many clients at once."""

import asyncio
import contextlib
import gc
import os

import pytest

from deepfake_tf.schema import Limits
from serving.client import Client
from tests.benchmarks import serving_hostile, serving_load
from tests.serving import videos
from tests.serving.in_process import GatewayThread, StubPredictor
from tests.serving.test_gateway import uploads, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gateway(pool, tmp_path_factory):
    limits = Limits(max_bytes=10 * 1024**2)
    made = GatewayThread(StubPredictor(), pool, tmp_path_factory.mktemp("uploads"), limits=limits, max_calls=4)
    yield made
    made.close()


def num_files():
    return len(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def circles():
    """A set of those of our kinds whose objects are found in circles: they and all that they hold wait for Python's
    collector, which looks at the old ones seldom. Messages are left out, since the attackers' own lie about here."""
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    kinds = set()
    try:
        yield kinds
        gc.collect()
        names = {f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage}
        kinds |= {name for name in names if name.startswith(("serving.", "deepfake_tf.")) and "_pb2" not in name}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def test_hostile_streams_get_their_status_and_leave_nothing(gateway, tmp_path):
    num_streams = 3 * len(serving_hostile.ATTACKS)
    serving_hostile.attack(gateway.target, 14, num_threads=2)
    before = num_files()
    with circles() as kinds:
        found = serving_hostile.attack(gateway.target, num_streams, num_threads=2, seed=1)
        wait_until(lambda: not uploads())
    assert sum(found.values()) == num_streams
    assert kinds == set()
    wait_until(lambda: num_files() <= before)
    with Client(gateway.target) as client:
        assert client.analyze(videos.face_video(tmp_path / "face.mp4", num_frames=3)).verdict == "FAKE"


@pytest.mark.parametrize("as_jobs", [False, True])
def test_more_clients_than_places_all_get_one_verdict(gateway, tmp_path, as_jobs):
    paths = [videos.faceless_video(tmp_path / f"{number}.mp4", num_frames=3) for number in range(3)]
    found = asyncio.run(serving_load.load(gateway.target, paths, num_clients=12, as_jobs=as_jobs))
    assert found == {"NO_FACE": 12}
    wait_until(lambda: not uploads())
