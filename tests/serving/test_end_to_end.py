"""The whole way as processes: video, client, gateway, model server, back; held against the model that was exported."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from deepfake_tf.extraction import extract
from deepfake_tf.judging import verdict
from serving import server
from serving.client import CallError, Client, main
from tests import servables
from tests.serving import certificates, videos
from tests.serving.processes import ROOT, Process, free_port
from tests.serving.test_model_server import wait_until

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def running_gateway(predictor_target, *flags):
    """Gives the process and its address."""
    command = [sys.executable, "-m", "serving.server", "--predictor", predictor_target, "--port", "0", *flags]
    with Process(*command) as process:
        yield process, process.wait_for(r"^gateway on (127.0.0.1:\d+), model ")[1]


@pytest.fixture(scope="module")
def gateway_target(model_server):
    with running_gateway(model_server.target, "--workers", "1") as (process, target):
        yield target
        code, log = process.stop()
    assert code == 0, log
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def model():
    return servables.tiny_model()


def expected_score(model, path):
    clips = extract(path, servables.CLIP_SPEC).clips
    logits = servables.keras_logits(model, [clip.crops for clip in clips], np.stack([clip.mask for clip in clips]))
    logit, _ = verdict.join(logits, [clip.track_id for clip in clips], servables.SPEC.joining)
    return verdict.score(logit, servables.SPEC.calibration), logits


def check_served(model, target, path):
    """The served scores are the trained model's, video and clips, to 1e-5 on logits."""
    score, logits = expected_score(model, path)
    with Client(target) as client:
        served = client.analyze(path)
    calibration = servables.SPEC.calibration

    def logit_of(calibrated):
        return (np.log(calibrated / (1 - calibrated)) - calibration.offset) / calibration.scale

    clips = sorted(logit_of(clip.score) for track in served.tracks for clip in track.clips)
    np.testing.assert_allclose(clips, np.sort(logits), atol=1e-5, rtol=0)
    assert abs(logit_of(served.score) - logit_of(score)) < 1e-5


def test_the_served_score_is_the_trained_models(gateway_target, model, tmp_path):
    check_served(model, gateway_target, videos.face_video(tmp_path / "face.mp4", num_frames=20))


def test_the_served_score_is_the_trained_models_on_real_videos(gateway_target, model, real_data):
    with (real_data / "manifest.csv").open() as file:
        paths = [real_data / row["path"] for row in csv.DictReader(file) if row["path"].startswith("videos/")][:2]
    for path in paths:
        check_served(model, gateway_target, path)


def test_the_command_prints_the_verdict(gateway_target, tmp_path):
    video = videos.face_video(tmp_path / "face.mp4")
    command = [sys.executable, "-m", "serving.client", str(video), "--target", gateway_target, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["verdict"]["model"] == {
        "name": "detector",
        "version": "1",
        "specHash": result["verdict"]["model"]["specHash"],
    }
    assert 0 <= result["verdict"]["score"] <= 1


def test_judging_here_gives_the_gateways_verdict_without_tensorflow(gateway_target, model_server, tmp_path):
    video = videos.face_video(tmp_path / "face.mp4", num_frames=20)
    code = f"""
import sys
from serving import client
code = client.main([{str(video)!r}, "--target", {model_server.target!r}, "--direct", "--json"])
assert not {{"tensorflow", "tensorflow_serving", "keras"}} & set(sys.modules)
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    here = json.loads(done.stdout)["verdict"]
    with Client(gateway_target) as client:
        served = client.analyze(video).to_json()
    for one in (here, served):
        assert one.pop("requestId")
        assert {"decode", "faces", "predict"} < set(one.pop("timingMs"))
    assert here == served


def health(target, service=""):
    with grpc.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status


def test_health_is_the_models(gateway_target):
    for service in ("", "deepfake.v1.DetectionService"):
        wait_until(lambda service=service: health(gateway_target, service) == health_pb2.HealthCheckResponse.SERVING)


def test_a_gateway_with_tls_tokens_and_counts(model_server, tmp_path, capsys):
    ca = certificates.authority(tmp_path)
    certificate, key = certificates.certificate(tmp_path, "server")
    tokens = tmp_path / "tokens"
    tokens.write_text("t" * 20)
    video = videos.face_video(tmp_path / "face.mp4", num_frames=3)
    with running_gateway(
        model_server.target,
        *("--workers", "1", "--tls-certificate", str(certificate), "--tls-key", str(key)),
        *("--token-file", str(tokens), "--metrics-port", str(port := free_port())),
    ) as (process, target):
        flags = ("--target", target, "--tls-ca", str(ca), "--retries", "0")
        assert main([str(video), *flags, "--token-file", str(tokens)]) == 0
        assert main([str(video), *flags]) == 1
        assert "UNAUTHENTICATED" in capsys.readouterr().out
        # Health and reflection need TLS, but no token.
        with grpc.secure_channel(target, grpc.ssl_channel_credentials(ca.read_bytes())) as channel:
            assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5).status
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]), timeout=5)
            names = {one.name for one in next(answers).list_services_response.service}
            assert {"deepfake.v1.DetectionService", "grpc.health.v1.Health"} < names
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        assert 'deepfake_calls_total{code="OK",method="Analyze"} 1.0' in text
        assert 'deepfake_calls_total{code="UNAUTHENTICATED",method="-"} 1.0' in text
        assert "deepfake_model_version 1.0" in text
        code, log = process.stop()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    ended = next(line for line in lines if line.get("method") == "Analyze")
    assert (code, ended["code"], ended["model"]) == (0, "OK", 1)
    assert "ttt" not in log
    assert "face.mp4" not in log


def test_without_a_model_server_the_gateway_is_not_ready_and_says_so(tmp_path):
    with running_gateway(f"127.0.0.1:{free_port()}") as (process, target):
        assert health(target) == health_pb2.HealthCheckResponse.NOT_SERVING
        with Client(target, retries=0) as client, pytest.raises(CallError, match="model cannot be reached") as caught:
            client.analyze(videos.face_video(tmp_path / "face.mp4"))
        assert caught.value.code == grpc.StatusCode.UNAVAILABLE
        code, log = process.stop()
    assert code == 0
    assert "Traceback" not in log


def test_a_model_of_another_name_is_unavailable(model_server, tmp_path):
    with running_gateway(model_server.target, "--model-name", "x") as (process, target):
        with Client(target, retries=0) as client, pytest.raises(CallError) as caught:
            client.analyze(videos.face_video(tmp_path / "face.mp4"))
        assert caught.value.code == grpc.StatusCode.UNAVAILABLE
        _, log = process.stop()
    assert "Servable not found for request: Latest(x)" in log


def test_when_told_to_stop_running_calls_end_with_their_verdict(model_server, tmp_path):
    from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc

    data = videos.face_video(tmp_path / "face.mp4").read_bytes()
    rest_is_wanted = threading.Event()

    def requests():
        yield detection_pb2.AnalyzeRequest(options=detection_pb2.AnalyzeOptions())
        yield detection_pb2.AnalyzeRequest(chunk=data[:100])
        assert rest_is_wanted.wait(60)
        yield detection_pb2.AnalyzeRequest(chunk=data[100:])

    with running_gateway(model_server.target, "--workers", "1") as (process, target):
        wait_until(lambda: health(target) == health_pb2.HealthCheckResponse.SERVING)
        with grpc.insecure_channel(target) as channel:
            call = detection_pb2_grpc.DetectionServiceStub(channel).Analyze(requests(), timeout=60)
            # What was sent need not have come: the gateway sends these once it has taken the call on.
            call.initial_metadata()
            process.send_signal(signal.SIGTERM)
            process.wait_for("stopping: running calls have")
            rest_is_wanted.set()
            assert list(call)[-1].verdict.HasField("score")
        code, log = process.stop()
    assert (code, '"code": "OK"' in log) == (0, True), log


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--predictor", "localhost"], "host:port"),
        (["--port", "70000"], "--port must lie between 0 and 65535"),
        (["--workers", "0"], "--workers must be above 0"),
        (["--deadline-sec", "-3"], "--deadline-sec must be above 0"),
        (["--upload-dir", "/no/such/folder"], "--upload-dir must be a folder"),
        (["--workers", "many"], "invalid int value"),
        (["--canary-label", "canary"], "--canary-label needs --model-label"),
        (["--tls-key", "x"], "TLS needs both --tls-certificate and --tls-key"),
        (["--token-file", "/no/such/file"], "--token-file cannot be read"),
        (["--hots", "x"], "unrecognized arguments"),
    ],
)
def test_wrong_flags_are_one_line_and_exit_code_2(flags, message, capsys):
    try:
        code = server.main(["--port", "0", *flags])
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert len(error.splitlines()) == 1


def test_without_the_face_detectors_weights_it_does_not_start(tmp_path):
    command = [sys.executable, "-m", "serving.server", "--port", "0"]
    environment = {**os.environ, "DEEPFAKE_TF_ASSETS": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path) in done.stderr


def test_a_port_in_use_is_one_line_and_exit_code_2(gateway_target):
    port = gateway_target.rpartition(":")[2]
    command = [sys.executable, "-m", "serving.server", "--port", port]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another with --port.\n"
    )
