"""Two servers as children: they answer, and whatever happens they are stopped."""

import os
import socket
import time

import pytest

from deepfake_tf.errors import PredictorUnavailableError
from serving.client import Client
from serving.local import LocalServers
from tests import servables
from tests.serving import videos

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "tiny"
    servables.tiny_servable(folder)
    return folder


def can_connect(target):
    host, port = target.rsplit(":", 1)
    with socket.socket() as one:
        return one.connect_ex((host, int(port))) == 0


def children():
    found = []
    for status in os.listdir("/proc"):
        try:
            with open(f"/proc/{status}/stat") as file:
                words = file.read().rpartition(")")[2].split()
            if status.isdigit() and int(words[1]) == os.getpid() and words[0] != "Z":
                with open(f"/proc/{status}/cmdline") as file:
                    found += [status] if "serving." in file.read() else []
        except OSError:
            continue
    return found


def test_a_video_is_judged_and_nothing_stays_behind_when_the_block_fails(base_path, tmp_path):
    video = videos.face_video(tmp_path / "face.mp4")
    told = []

    def judge_and_fail():
        with LocalServers(base_path, log_dir=tmp_path / "logs", num_workers=1, on_progress=told.append) as servers:
            assert len(children()) == 2
            with Client(servers.target) as client:
                verdict = client.analyze(video)
            assert verdict.score is not None
            assert verdict.coverage == 1.0
            raise ConnectionError(servers.target)

    with pytest.raises(ConnectionError) as failed:
        judge_and_fail()
    assert told == ["model server", "gateway"]
    assert children() == []
    assert not can_connect(str(failed.value))
    assert (tmp_path / "logs/gateway.log").stat().st_size > 0


def test_a_servable_that_is_not_there_is_said_at_once(tmp_path):
    begin = time.monotonic()
    with pytest.raises(PredictorUnavailableError, match="No servable in") as caught:
        LocalServers(tmp_path / "nothing", log_dir=tmp_path / "logs").__enter__()
    assert str(tmp_path / "logs") in str(caught.value)
    assert time.monotonic() - begin < 60
    assert children() == []
