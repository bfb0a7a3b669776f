"""The .proto file is enough for another language: Node calls the gateway with @grpc/grpc-js, and hears the same."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format

from deepfake_tf.workers import WorkerPool
from serving.access import TokenGate, Tokens
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from tests.serving import videos
from tests.serving.in_process import GatewayThread, StubPredictor
from tests.serving.processes import ROOT

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parent / "node"
PROTO = ROOT / "serving" / "protos" / "deepfake" / "v1" / "detection.proto"
TOKEN = "a-token-that-is-long-enough"
INSTALL_SEC = 180
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "ERR_SOCKET_TIMEOUT")


@pytest.fixture(scope="session")
def node():
    """Path of Node, once what package-lock.json names is installed beside it."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.skip("no Node with npm to call the gateway with")
    # npm writes this one last.
    installed, lock = FOLDER / "node_modules" / ".package-lock.json", FOLDER / "package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        words = [npm, "ci", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=30000"]
        done = subprocess.run(words, cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_SEC)
        if any(code in done.stderr for code in NO_NETWORK):
            pytest.skip(f"npm found no network to install {FOLDER.name}/package-lock.json from")
        assert done.returncode == 0, done.stderr
    return found


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    (folder / "tokens").write_text(TOKEN)
    gate = TokenGate(Tokens(folder / "tokens"), lambda *args: None)
    with WorkerPool(1) as pool:
        made = GatewayThread(StubPredictor(), pool, folder, server_options={"interceptors": [gate]})
        yield made
        made.close()


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return videos.face_video(tmp_path_factory.mktemp("videos") / "face.mp4")


@pytest.fixture(scope="module")
def heard(node, gateway, video):
    words = [node, "calls.js", gateway.target, str(PROTO), str(video), TOKEN]
    # A proxy of the machine is not for loopback addresses.
    environment = {**os.environ, "no_grpc_proxy": "127.0.0.1"}
    done = subprocess.run(words, cwd=FOLDER, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_node_gets_pythons_verdict(heard, gateway, video):
    data = video.read_bytes()
    requests = [
        detection_pb2.AnalyzeRequest(options=detection_pb2.AnalyzeOptions(request_id="node-1")),
        detection_pb2.AnalyzeRequest(chunk=data),
    ]
    with grpc.insecure_channel(gateway.target) as channel:
        stub = detection_pb2_grpc.DetectionServiceStub(channel)
        events = list(stub.Analyze(iter(requests), timeout=60, metadata=[("authorization", f"Bearer {TOKEN}")]))
    expected = json_format.MessageToDict(events[-1].verdict, preserving_proto_field_name=True)
    for verdict in (expected, heard["verdict"], heard["job"]["verdict"]):
        verdict.pop("timing_ms")
    assert heard["verdict"] == expected
    assert heard["verdict"]["score"] == pytest.approx(0.96267, abs=1e-5)
    assert heard["job"]["verdict"] == expected
    assert (heard["kinds"][0], heard["kinds"][-1]) == ("received", "verdict")
    assert heard["received"]["size_bytes"] == str(len(data))


def test_node_waits_for_a_job(heard):
    assert heard["isSameJob"]
    assert heard["states"][-1] == heard["job"]["state"] == "DONE"


def test_node_films(heard):
    assert heard["live"]["verdict"]["verdict"] == "FAKE"
    assert heard["live"]["until_sec"] > 0


def test_node_is_told_what_went_wrong(heard):
    assert heard["tooLong"]["code"] == "INVALID_ARGUMENT"
    assert "More bytes came than the 1 of options.size_bytes." in heard["tooLong"]["message"]
    assert heard["unknown"]["code"] == "NOT_FOUND"
    assert heard["wrongToken"]["code"] == "UNAUTHENTICATED"
    assert heard["late"]["code"] == "DEADLINE_EXCEEDED"
