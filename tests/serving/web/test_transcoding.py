"""REST is the gateway's gRPC service in another dress: what goes up, what comes down, and in which pieces."""

import http.client
import json
import socket
import threading
import time

import grpc
import pytest
from google.protobuf import duration_pb2, json_format

from serving.protos.deepfake.v1 import detection_pb2
from serving.upload import MAX_CHUNK_BYTES
from serving.web.transcoding import CHUNK_BYTES
from tests.serving.web.running import BUSY, CARD, job, progress_event, verdict_event

LINES = {"Accept": "application/x-ndjson"}


def test_a_video_becomes_chunks_and_its_verdict_is_the_answer(web, gateway):
    gateway.events = [progress_event("faces", 0.5), verdict_event(request_id="r-1")]
    body = bytes(range(256)) * 4 * 2048
    answer = web.analyze(body, query="?name=x.mp4&requestId=r-1", Authorization="Bearer secret")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    # Zero is a score, and is written.
    assert answer.json == {"verdict": "REAL", "outcome": "OK", "score": 0.0, "requestId": "r-1"}
    options = gateway.first.options
    assert (options.name, options.request_id, options.size_bytes) == ("x.mp4", "r-1", len(body))
    assert gateway.num_bytes == len(body)
    assert gateway.largest <= CHUNK_BYTES <= MAX_CHUNK_BYTES
    assert gateway.metadata["authorization"] == "Bearer secret"


def test_a_body_of_unknown_length_is_taken_as_it_comes(web, gateway):
    gateway.events = [verdict_event()]
    assert web.analyze(iter([b"abc", b"de"])).status == 200
    assert gateway.num_bytes == 5
    assert not gateway.first.options.HasField("size_bytes")


def test_who_asks_for_lines_gets_each_event_as_it_comes(web, gateway):
    received = detection_pb2.AnalyzeEvent(received=detection_pb2.Received(request_id="r", size_bytes=5, sha256="ab"))
    gateway.events = [received, progress_event("faces", 0.0), progress_event("predict", 1.0), verdict_event()]
    answer = web.analyze(**LINES)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.lines == [json_format.MessageToDict(event) for event in gateway.events]
    assert answer.lines[0] == {"received": {"requestId": "r", "sizeBytes": "5", "sha256": "ab"}}


def test_lines_come_before_the_work_is_done(web, gateway):
    gateway.events, gateway.last = [progress_event("faces", 0.0)], verdict_event()
    gateway.hold_last = threading.Event()
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    connection.request("POST", "/v1/videos:analyze", b"video", {"Content-Type": "video/mp4", **LINES})
    response = connection.getresponse()
    assert json.loads(response.readline()) == {"progress": {"stage": "faces", "fraction": 0.0}}
    gateway.hold_last.set()
    assert "verdict" in json.loads(response.readline())
    connection.close()


def test_a_failure_after_the_first_line_is_the_last_line(web, gateway):
    gateway.events, gateway.error = [progress_event("faces", 0.5)], BUSY
    answer = web.analyze(**LINES)
    assert answer.status == 200
    assert answer.lines[-1] == {"failure": {"code": "RESOURCE_EXHAUSTED", "message": "Too much to do."}}


def test_a_failure_before_the_first_line_has_its_status(web, gateway):
    gateway.error = BUSY
    for headers in ({}, LINES):
        answer = web.analyze(**headers)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
        assert answer.json == {"code": "RESOURCE_EXHAUSTED", "message": "Too much to do."}


def test_a_refusal_comes_while_the_body_is_still_on_its_way(web, gateway):
    gateway.error, gateway.reads = (grpc.StatusCode.INVALID_ARGUMENT, "It is too large.", ()), False
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        head = f"POST /v1/videos:analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: {10**9}\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 1000)
        assert connection.recv(12) == b"HTTP/1.1 400"


@pytest.mark.parametrize("path", ["/v1/videos:analyze", "/v1/jobs"])
def test_a_refusal_keeps_its_status_while_the_gateway_is_written_to(web, gateway, path, caplog):
    gateway.error, gateway.reads = BUSY, False
    for _ in range(5):
        answer = web.ask("POST", path, bytes(8 * 1024**2))
        assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
        assert answer.json == {"code": "RESOURCE_EXHAUSTED", "message": "Too much to do."}
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_call_without_an_answer_is_an_error(web, gateway):
    assert web.analyze().status == 500


@pytest.mark.parametrize("query", ["?colour=red", "?sizeBytes=many"])
def test_a_parameter_that_makes_no_sense_is_named(web, query):
    answer = web.analyze(query=query)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_ARGUMENT")
    assert query[1:].partition("=")[0] in answer.json["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "video/mp4", "Content-Encoding": "gzip"},
    ],
)
def test_what_is_no_plain_video_is_refused(web, gateway, headers):
    answer = web.ask("POST", "/v1/videos:analyze", b"x", **headers)
    assert answer.status == 415
    assert answer.json["message"]
    assert not gateway.has_begun.is_set()


def test_who_hangs_up_stops_the_work(web, gateway):
    gateway.hold = threading.Event()
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    connection.request("POST", "/v1/videos:analyze", b"video", {"Content-Type": "video/mp4"})
    deadline = time.monotonic() + 10
    while gateway.num_bytes < 5:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    connection.close()
    assert gateway.was_cancelled.wait(10)


def test_a_body_that_breaks_off_is_no_video_but_a_cancelled_call(web, gateway):
    gateway.hold = threading.Event()
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        head = b"POST /v1/videos:analyze HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        connection.sendall(head)
        assert gateway.has_begun.wait(10)
    assert gateway.was_cancelled.wait(10)


def test_a_gateway_that_does_not_read_holds_the_caller_back(web, gateway):
    gateway.hold_first = threading.Event()
    piece, num_sent = b"x" * 256 * 1024, 0
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        head = f"POST /v1/videos:analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: {10**9}\r\n\r\n"
        connection.sendall(head.encode())
        connection.settimeout(1)
        try:
            while num_sent < 100 * 1024**2:
                num_sent += connection.send(piece)
        except TimeoutError:
            pass
    # That the caller has gone is noticed once somebody reads again.
    gateway.hold = threading.Event()
    gateway.hold_first.set()
    assert gateway.was_cancelled.wait(10)
    # What the system's own buffers take, and a few chunks: of a gigabyte.
    assert num_sent < 32 * 1024**2


def test_a_job_is_submitted_with_its_key_and_life(web, gateway):
    gateway.jobs = [job("QUEUED")]
    headers = {"Content-Type": "video/webm", "Idempotency-Key": "k-1"}
    answer = web.ask("POST", "/v1/jobs?name=a.webm&timeToLive=90s", b"video", **headers)
    assert (answer.status, answer.json) == (200, {"jobId": "j-1", "state": "QUEUED"})
    expected = detection_pb2.JobOptions(
        video=detection_pb2.AnalyzeOptions(name="a.webm", size_bytes=5),
        idempotency_key="k-1",
        time_to_live=duration_pb2.Duration(seconds=90),
    )
    assert gateway.first.options == expected
    assert gateway.num_bytes == 5


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/jobs/j-1"), ("POST", "/v1/jobs/j-1:cancel")])
def test_a_job_is_asked_for_and_cancelled_by_its_name(web, gateway, method, path):
    gateway.jobs = [job("CANCELLED")]
    answer = web.ask(method, path, Authorization="Bearer t")
    assert answer.json == {"jobId": "j-1", "state": "CANCELLED"}
    assert (gateway.request.job_id, gateway.metadata["authorization"]) == ("j-1", "Bearer t")


def test_waiting_gives_the_end_or_each_change(web, gateway):
    gateway.jobs = [job("QUEUED"), job("RUNNING"), job("DONE")]
    assert web.ask("GET", "/v1/jobs/j-1:wait").json["state"] == "DONE"
    states = [line["state"] for line in web.ask("GET", "/v1/jobs/j-1:wait", **LINES).lines]
    assert states == ["QUEUED", "RUNNING", "DONE"]


def test_health_is_the_gateways(web, gateway):
    assert (web.ask("GET", "/v1/health").status, web.ask("GET", "/v1/health").json) == (200, {"status": "SERVING"})
    gateway.health = 2
    answer = web.ask("GET", "/v1/health")
    assert (answer.status, answer.json) == (503, {"status": "NOT_SERVING"})


def test_the_models_card_is_told(web):
    assert web.ask("GET", "/v1/model-card").json == {"markdown": CARD}


def test_limits_are_told(web):
    expected = {"maxBytes": 3 * 1024**2, "maxDurationSec": 30, "maxPixels": 8192 * 4352, "maxFaces": 1000}
    assert web.ask("GET", "/v1/limits").json == expected
