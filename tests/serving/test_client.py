"""The caller's program: what it prints, how it ends, and what it does not need."""

import json
import os
import subprocess
import sys

import grpc
import pytest
from google.protobuf import json_format

from deepfake_tf.schema import Limits
from deepfake_tf.workers import WorkerPool
from serving import client
from serving.protos.deepfake.v1 import detection_pb2
from tests.serving import videos
from tests.serving.in_process import GatewayThread, StubPredictor
from tests.serving.processes import ROOT, free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    limits = Limits(max_bytes=2 * 1024**2)
    with WorkerPool(1, limits=limits) as pool:
        made = GatewayThread(StubPredictor(), pool, tmp_path_factory.mktemp("uploads"), limits=limits)
        yield made
        made.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("videos")
    videos.face_video(made / "face.mp4")
    videos.faceless_video(made / "grey.mp4")
    (made / "text.mp4").write_text("this is no video")
    (made / "empty.mp4").touch()
    (made / "large.mp4").write_bytes(os.urandom(2 * 1024**2 + 1))
    return made


def run(gateway, *arguments):
    return client.main([*(str(one) for one in arguments), "--target", gateway.target])


def test_a_verdict_reads_well(gateway, folder, capsys):
    assert run(gateway, folder / "face.mp4") == 0
    out, err = capsys.readouterr()
    first, face, last = out.splitlines()
    assert first == f"{folder / 'face.mp4'}: FAKE, score 0.963 is at or above the threshold 0.6"
    assert face == "  face 1: score 0.963 (0.1-0.2 s: 0.96, 0.6-0.8 s: 0.96)"
    assert last.startswith("  a face in 100% of the frames looked at; model detector version 1; ")
    assert err == ""


def test_a_video_without_a_face_or_that_is_none_has_a_verdict_too(gateway, folder, capsys):
    assert run(gateway, folder / "grey.mp4", folder / "text.mp4", folder / "empty.mp4") == 0
    out, err = capsys.readouterr()
    heads = [line for line in out.splitlines() if not line.startswith(" ")]
    assert [line.split(": ")[1].split(",")[0] for line in heads] == ["NO_FACE", "UNREADABLE", "UNREADABLE"]
    assert "score" not in out
    assert "face in" not in out
    assert err == "3 of 3 videos have a verdict\n"


def test_json_is_one_canonical_message_a_line(gateway, folder, capsys):
    paths = [folder / "face.mp4", folder / "large.mp4", folder / "grey.mp4"]
    assert run(gateway, *paths, "--json") == 1
    results = [json_format.Parse(line, detection_pb2.VideoResult()) for line in capsys.readouterr().out.splitlines()]
    assert [one.name for one in results] == [str(path) for path in paths]
    assert [one.WhichOneof("result") for one in results] == ["verdict", "failure", "verdict"]
    assert results[1].failure.code == "INVALID_ARGUMENT"
    assert "2097152 bytes at most" in results[1].failure.message
    assert results[0].verdict.score == pytest.approx(0.96267, abs=1e-5)
    assert not results[2].verdict.HasField("score")


def test_some_without_a_verdict_is_exit_code_1(gateway, folder, capsys):
    assert run(gateway, folder / "large.mp4", folder / "face.mp4") == 1
    out, err = capsys.readouterr()
    assert f"{folder / 'large.mp4'}: no verdict, INVALID_ARGUMENT: The file may have 2097152 bytes at most" in out
    assert err == "1 of 2 videos have a verdict\n"


def test_no_gateway_is_one_clear_line(folder, capsys):
    port = free_port()
    assert client.main([str(folder / "face.mp4"), "--target", f"localhost:{port}"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{folder / 'face.mp4'}: no verdict, UNAVAILABLE: no gateway answers at localhost:{port}.")
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.mp4"], "There is no such video file. Received: absent.mp4"),
        ([str(ROOT)], "There is no such video file."),
        (["pyproject.toml", "--deadline-sec", "-1"], "--deadline-sec must be above 0"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert client.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], ["x.mp4", "--jsom"], ["x.mp4", "--deadline-sec", "soon"]])
def test_unknown_flags_are_one_line_and_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        client.main(arguments)
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_library_reports_upload_and_analysis(gateway, folder):
    told = []
    with client.Client(gateway.target) as opened:
        verdict = opened.analyze(folder / "face.mp4", on_progress=lambda *one: told.append(one), request_id="mine")
        assert verdict.request_id == "mine"
        with pytest.raises(client.CallError, match="bytes at most") as caught:
            opened.analyze(folder / "large.mp4")
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    stages = [stage for stage, _ in told]
    assert stages[0] == "upload"
    assert stages[-1] == "predict"
    assert ("upload", 1.0) in told


def test_the_client_loads_neither_tensorflow_nor_what_decodes_videos():
    code = """
import sys
import serving.client
heavy = {"tensorflow", "tensorflow_serving", "keras", "cv2", "av", "mediapipe", "numpy"} & set(sys.modules)
print(sorted(heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) in ([], ["numpy"])
