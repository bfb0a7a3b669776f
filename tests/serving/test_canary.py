"""Two labelled versions behind one gateway: the verdicts follow the share, and where the canary fails stable judges."""

import re
import shutil
import urllib.request

import pytest

from serving import models
from serving.client import Client
from serving.model_server import ServedModel, make_server
from tests.serving import videos
from tests.serving.processes import free_port
from tests.serving.test_end_to_end import running_gateway

pytestmark = pytest.mark.slow
SHARE = 0.4
IDS = [f"r-{number}" for number in range(10)]
EXPECTED = [2 if models.place(one) < SHARE else 1 for one in IDS]


@pytest.fixture(scope="module")
def served(model_server, tmp_path_factory):
    """An embedded server in this process, whose versions 1 and 2 are one servable under two labels."""
    if model_server.kind != "embedded":
        pytest.skip("what fails here is done to the embedded server from within")
    base_path = tmp_path_factory.mktemp("labelled") / "detector"
    for number in (1, 2):
        shutil.copytree(model_server.base_path / "1", base_path / str(number))
    model = ServedModel("detector", base_path, {"stable": 1, "canary": 2})
    model.poll()
    server, port = make_server(model, address="127.0.0.1:0")
    server.start()
    model.target = f"127.0.0.1:{port}"
    yield model
    server.stop(0).wait()


@pytest.fixture(scope="module")
def judge(served, tmp_path_factory):
    """Has a video judged under each of the ids; returns the versions that judged, and how often the canary failed."""
    video = videos.face_video(tmp_path_factory.mktemp("videos") / "face.mp4", num_frames=3)
    flags = ("--model-label", "stable", "--canary-label", "canary", "--canary-share", str(SHARE))
    metrics_port = free_port()

    def failures():
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=5) as answer:
            return float(re.search(r"^deepfake_canary_failures_total (\S+)$", answer.read().decode(), re.MULTILINE)[1])

    flags += ("--workers", "1", "--metrics-port", str(metrics_port))
    with running_gateway(served.target, *flags) as (process, target):
        with Client(target, retries=0) as client:

            def judged():
                before = failures()
                verdicts = [client.analyze(video, request_id=one) for one in IDS]
                assert all(one.score is not None for one in verdicts)
                return [one.model.version for one in verdicts], failures() - before

            yield judged
        code, log = process.stop()
    assert (code, "Traceback" in log) == (0, False), log


def test_the_verdicts_versions_follow_the_share(judge):
    assert 0 < EXPECTED.count(2) < len(IDS)
    assert judge() == (EXPECTED, 0)


@pytest.mark.parametrize("failure", ["unloaded", "broken", "without its label"])
def test_where_the_canary_fails_stable_judges_and_it_is_counted(judge, served, failure, monkeypatch):
    if failure == "unloaded":
        monkeypatch.delitem(served.loaded, 2)
    elif failure == "broken":
        # It says what it is, and then cannot judge.
        monkeypatch.delitem(served.loaded[2].signatures, "serving_default")
    else:
        monkeypatch.setattr(served, "labels", {"stable": 1})
    assert judge() == ([1] * len(IDS), EXPECTED.count(2))
    monkeypatch.undo()
    assert judge()[0] == EXPECTED
