"""The caller's program: what it prints, how it ends, and what it does not need."""

import asyncio
import itertools
import json
import os
import subprocess
import sys

import grpc
import pytest
from google.protobuf import json_format

from deepfake_tf.errors import PredictorBusyError, PredictorError, PredictorUnavailableError
from deepfake_tf.schema import Limits
from serving import async_client, client, link, status
from serving.access import TokenGate, Tokens
from serving.protos.deepfake.v1 import detection_pb2
from tests.serving import videos
from tests.serving.in_process import GatewayThread, StubPredictor
from tests.serving.processes import ROOT, free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gateway(pool, tmp_path_factory):
    limits = Limits(max_bytes=2 * 1024**2)
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
    assert client.main([str(folder / "face.mp4"), "--target", f"localhost:{port}", "--retries", "0"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{folder / 'face.mp4'}: no verdict, UNAVAILABLE: no gateway answers at localhost:{port}.")
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.mp4"], "There is no such video file, or no video in that folder. Received: absent.mp4"),
        ([str(ROOT / "serving")], "There is no such video file, or no video in that folder."),
        (["pyproject.toml", "--parallel", "0"], "--parallel must be 1 or more"),
        (["pyproject.toml", "--direct", "--job"], "--direct asks no gateway"),
        (["pyproject.toml", "--token-file", "absent"], "Cannot read the token in absent"),
        (["pyproject.toml", "--tls-ca", "absent"], "Cannot read absent"),
        (["pyproject.toml", "--tls-key", "absent"], "TLS needs the CA's certificate"),
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


def test_a_folder_is_judged_some_at_a_time_in_order(gateway, folder, capsys):
    assert run(gateway, folder, "--parallel", "3", "--json") == 1
    out, err = capsys.readouterr()
    names = [json.loads(line)["name"] for line in out.splitlines()]
    assert names == sorted(str(path) for path in folder.iterdir())
    assert err == "4 of 5 videos have a verdict\n"


def test_jobs_give_the_same_verdicts(gateway, folder, capsys):
    def verdicts(*flags):
        run(gateway, folder, "--json", *flags)
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for one in found:
            for name in ("requestId", "timingMs"):
                one.get("verdict", {}).pop(name, None)
        return found

    assert verdicts("--job") == verdicts()


def test_a_job_of_the_library_is_submitted_asked_for_waited_for_and_cancelled(gateway, folder):
    with client.Client(gateway.target) as opened:
        job = opened.submit(folder / "face.mp4", key="mine", keep_sec=60)
        assert opened.submit(folder / "face.mp4", key="mine").job_id == job.job_id
        verdict = opened.wait(job.job_id)
        done = opened.job(job.job_id)
        assert done.expires_at.seconds - done.ended_at.seconds == 60
        assert opened.job(job.job_id, cancel=True).state == done.state
        assert opened.analyze(folder / "face.mp4").score == verdict.score
        assert opened.analyze_as_job(folder / "face.mp4", key="mine").request_id == verdict.request_id
        with pytest.raises(client.CallError, match="no such job") as caught:
            opened.wait("unknown")
        assert caught.value.code == grpc.StatusCode.NOT_FOUND
        assert [one.verdict for one in opened.analyze_all([folder / "grey.mp4"] * 3, num_parallel=2)] == ["NO_FACE"] * 3


def test_the_async_client_is_the_same_on_an_event_loop(gateway, folder):
    async def run():
        async with client.AsyncClient(gateway.target) as opened:
            return await asyncio.gather(*(opened.analyze(folder / name) for name in ("face.mp4", "grey.mp4")))

    assert [one.verdict for one in asyncio.run(run())] == ["FAKE", "NO_FACE"]


class Flaky(StubPredictor):
    """A model that fails as it is told, and then answers."""

    def __init__(self):
        super().__init__()
        self.errors, self.num_asked = [], 0

    def spec(self, *, deadline_sec=60.0):
        self.num_asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return super().spec()


@pytest.mark.parametrize("call", ["analyze", "analyze_as_job"])
def test_what_may_pass_is_tried_again_and_ends_with_one_verdict(pool, folder, call, monkeypatch):
    monkeypatch.setattr(link, "_FIRST_PAUSE_SEC", 0.01)
    monkeypatch.setattr(status, "_MODEL_BUSY_SEC", 0.05)
    monkeypatch.setattr(async_client, "MODEL_BUSY_SEC", 0.05)
    predictor = Flaky()
    gateway = GatewayThread(predictor, pool)
    told = []
    with client.Client(gateway.target, retries=2) as opened:
        predictor.errors = [
            PredictorUnavailableError("x"),
            *[PredictorBusyError("x")] * 4,
            PredictorUnavailableError("x"),
        ]
        verdict = getattr(opened, call)(folder / "grey.mp4", on_progress=lambda *one: told.append(one[0]))
        assert (verdict.verdict, predictor.num_asked) == ("NO_FACE", 7)
        assert "waiting to try again" in told
        # A gateway that cannot work is tried a few times, what is wrong for good not at all.
        for error, num_tries in ((PredictorUnavailableError("x"), 3), (PredictorError("x"), 1)):
            predictor.errors, predictor.num_asked = [error] * 9, 0
            with pytest.raises(client.CallError):
                getattr(opened, call)(folder / "grey.mp4")
            assert predictor.num_asked == num_tries
    gateway.close()


def test_a_busy_gateway_is_waited_for_until_the_deadline():
    patience = link.Patience(deadline_sec=60, retries=0)
    busy = client.CallError(grpc.StatusCode.RESOURCE_EXHAUSTED, "", 2.0)
    assert all(2 <= patience.pause_sec(busy) <= 3 for _ in range(20))
    assert link.Patience(deadline_sec=1.9, retries=0).pause_sec(busy) is None
    # Without a hint it is no back pressure, but a message that is too large.
    assert patience.pause_sec(client.CallError(grpc.StatusCode.RESOURCE_EXHAUSTED, "")) is None
    assert patience.pause_sec(client.CallError(grpc.StatusCode.UNAVAILABLE, "")) is None
    pauses = link.Patience(deadline_sec=60, retries=9)
    gone = client.CallError(grpc.StatusCode.UNAVAILABLE, "")
    waits = [pauses.pause_sec(gone) for _ in range(4)]
    assert all(first < second for first, second in itertools.pairwise(waits))


def test_a_token_goes_along_and_is_never_shown(pool, folder, tmp_path, capsys):
    path = tmp_path / "token"
    path.write_text("# mine\n" + "t" * 20 + "\n")
    gate = TokenGate(Tokens(path), lambda: None)
    gateway = GatewayThread(StubPredictor(), pool, server_options={"interceptors": [gate]})
    assert run(gateway, folder / "grey.mp4", "--token-file", path) == 0
    assert run(gateway, folder / "grey.mp4") == 1
    out, _ = capsys.readouterr()
    assert "no verdict, UNAUTHENTICATED: This gateway wants a token" in out
    assert "ttt" not in repr(link.Link("x", "t" * 20))
    gateway.close()


def test_the_client_loads_neither_tensorflow_nor_what_decodes_videos():
    code = """
import sys
import serving.client
heavy = {"tensorflow", "tensorflow_serving", "keras", "cv2", "av", "mediapipe", "numpy", "aiohttp", "prometheus_client"}
heavy &= set(sys.modules)
print(sorted(heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) in ([], ["numpy"])
