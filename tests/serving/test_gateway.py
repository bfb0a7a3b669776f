"""The gateway's protocol, over a stub model: what it takes, what it refuses, and that nothing is left behind."""

import contextlib
import csv
import hashlib
import inspect
import json
import logging
import os
import threading
import time
from pathlib import Path

import grpc
import pytest

from deepfake_tf import errors, runners
from deepfake_tf.data_folder import ShardSettings
from deepfake_tf.errors import DeepfakeError, PredictorUnavailableError
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.records import decode_clip, read_shard, shard_paths
from deepfake_tf.runners import RunSettings
from deepfake_tf.schema import Limits
from deepfake_tf.workers import WorkerPool
from serving import json_log, status, upload
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from serving.upload import MAX_CHUNK_BYTES
from tests import servables
from tests.serving import videos
from tests.serving.in_process import GatewayThread, StubPredictor

pytestmark = pytest.mark.slow
CODES = grpc.StatusCode
LIMITS = Limits(max_bytes=3 * MAX_CHUNK_BYTES, max_duration_sec=30, time_limit_sec=60)


@pytest.fixture(scope="module")
def predictor():
    return StubPredictor()


@pytest.fixture(scope="module")
def gateway(predictor, pool, tmp_path_factory):
    made = GatewayThread(predictor, pool, tmp_path_factory.mktemp("uploads"), limits=LIMITS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def stub(gateway):
    with grpc.insecure_channel(gateway.target) as channel:
        yield detection_pb2_grpc.DetectionServiceStub(channel)


@pytest.fixture(scope="module")
def face_file(tmp_path_factory):
    return videos.face_video(tmp_path_factory.mktemp("videos") / "face.mp4")


@pytest.fixture(autouse=True)
def nothing_is_left(gateway):
    yield
    wait_until(lambda: not uploads(), timeout_sec=10)


def uploads():
    """The open files of this process in folders of tests that have no name: the uploads of its gateways."""
    found = []
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += [target for target in [os.readlink(one)] if target.endswith("(deleted)") and "pytest-" in target]
    return found


def options(**values):
    return detection_pb2.AnalyzeRequest(options=detection_pb2.AnalyzeOptions(**values))


def chunk(data):
    return detection_pb2.AnalyzeRequest(chunk=data)


def analyze(stub, *requests, timeout=60):
    return list(stub.Analyze(iter(requests), timeout=timeout))


def refused(stub, *requests):
    with pytest.raises(grpc.RpcError) as caught:
        analyze(stub, *requests)
    return caught.value.code(), caught.value.details()


def test_a_face_is_judged_with_events_in_order(stub, predictor, face_file):
    data = face_file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    half = len(data) // 2
    first = options(name="../../etc/passwd", size_bytes=len(data), sha256=digest.upper(), request_id="r-1")
    events = analyze(stub, first, chunk(data[:half]), chunk(data[half:]))
    kinds = [event.WhichOneof("event") for event in events]
    assert (kinds[0], kinds[-1]) == ("received", "verdict")
    assert set(kinds[1:-1]) == {"progress"}
    received, verdict = events[0].received, events[-1].verdict
    assert (received.request_id, received.size_bytes, received.sha256) == ("r-1", len(data), digest)
    assert verdict.request_id == "r-1"
    # Calibrated as the spec says: 1.5 * 2 + 0.25.
    assert verdict.score == pytest.approx(0.96267, abs=1e-5)
    assert detection_pb2.Verdict.Answer.Name(verdict.verdict) == "FAKE"
    assert verdict.coverage == 1.0
    assert {"upload", "predict"} < set(verdict.timing_ms)
    assert all(0 <= event.progress.fraction <= 1 for event in events[1:-1])
    assert "predict" in {event.progress.stage for event in events[1:-1]}


def check_clips(stub, predictor, path, data_dir):
    """What the gateway hands to the model is what a shard holds for training."""
    entry = VideoEntry("video", path, label=0, split="train")
    runners.extract_manifest([entry], data_dir, ShardSettings(servables.CLIP_SPEC), run=RunSettings(num_workers=1))
    records = [record for shard in shard_paths(data_dir, "train") for record in read_shard(shard)]
    stored = {one.clip.clip_id: one.clip for one in map(decode_clip, records)}
    predictor.seen_clips.clear()
    predictor.seen_masks.clear()
    data = path.read_bytes()
    parts = [chunk(data[at : at + MAX_CHUNK_BYTES]) for at in range(0, len(data), MAX_CHUNK_BYTES)]
    analyze(stub, options(), *parts)
    assert [tuple(clip) for clip in predictor.seen_clips] == [clip.crops for _, clip in sorted(stored.items())]
    assert [mask.tolist() for mask in predictor.seen_masks] == [
        clip.mask.tolist() for _, clip in sorted(stored.items())
    ]
    assert stored


def test_a_shards_clips_are_the_gateways_bit_for_bit(stub, predictor, face_file, tmp_path):
    check_clips(stub, predictor, face_file, tmp_path / "data")


def test_a_shards_clips_are_the_gateways_bit_for_bit_on_real_videos(stub, predictor, real_data, tmp_path):
    with (real_data / "manifest.csv").open() as file:
        paths = [real_data / row["path"] for row in csv.DictReader(file) if row["path"].startswith("videos/")]
    small = [path for path in paths if path.stat().st_size < LIMITS.max_bytes][:3]
    for number, path in enumerate(small):
        check_clips(stub, predictor, path, tmp_path / str(number))
    assert small


def test_no_face_is_neither_fake_nor_a_score(stub, tmp_path):
    data = videos.faceless_video(tmp_path / "grey.mp4").read_bytes()
    verdict = analyze(stub, options(size_bytes=len(data)), chunk(data))[-1].verdict
    assert detection_pb2.Verdict.Answer.Name(verdict.verdict) == "NO_FACE"
    assert not verdict.HasField("score")
    assert verdict.reason


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"just text\n" * 50, bytes(range(256)) * 100])
def test_what_is_no_video_is_a_verdict_with_a_true_reason(stub, data):
    parts = [chunk(data)] if data else []
    verdict = analyze(stub, options(size_bytes=len(data), name="a.mp4"), *parts)[-1].verdict
    assert detection_pb2.Verdict.Answer.Name(verdict.verdict) == "UNREADABLE"
    assert not verdict.HasField("score")
    assert verdict.reason
    assert "upload-" not in verdict.reason


def test_too_long_a_video_is_a_verdict_that_says_so(predictor, pool, face_file, tmp_path):
    gateway = GatewayThread(predictor, pool, tmp_path, limits=Limits(max_duration_sec=0.5))
    with grpc.insecure_channel(gateway.target) as channel:
        own = detection_pb2_grpc.DetectionServiceStub(channel)
        verdict = analyze(own, options(), chunk(face_file.read_bytes()))[-1].verdict
    gateway.close()
    assert detection_pb2.Outcome.Value.Name(verdict.outcome) == "TOO_LONG"
    assert detection_pb2.Verdict.Answer.Name(verdict.verdict) == "UNREADABLE"


SHA = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    ("requests", "code", "message"),
    [
        ([], CODES.INVALID_ARGUMENT, "first message must hold options"),
        ([chunk(b"x")], CODES.INVALID_ARGUMENT, "first message must hold options"),
        ([detection_pb2.AnalyzeRequest()], CODES.INVALID_ARGUMENT, "first message must hold options"),
        ([options(), options()], CODES.INVALID_ARGUMENT, "must hold a chunk"),
        ([options(), chunk(b"")], CODES.INVALID_ARGUMENT, "must hold a chunk"),
        ([options(size_bytes=1), chunk(b"x"), chunk(b"y")], CODES.INVALID_ARGUMENT, "More bytes came than the 1 "),
        ([options(size_bytes=5), chunk(b"x")], CODES.INVALID_ARGUMENT, "size_bytes is 5, but 1 bytes came"),
        ([options(size_bytes=0), chunk(b"x")], CODES.INVALID_ARGUMENT, "More bytes came than the 0 "),
        ([options(size_bytes=-1)], CODES.INVALID_ARGUMENT, "size_bytes must be 0 or more"),
        ([options(size_bytes=2**40)], CODES.INVALID_ARGUMENT, "bytes at most"),
        ([options(sha256=SHA), chunk(b"y")], CODES.INVALID_ARGUMENT, f"options.sha256 is {SHA}, but"),
        ([options(sha256="abc")], CODES.INVALID_ARGUMENT, "64 hexadecimal digits"),
        ([options(request_id="a b")], CODES.INVALID_ARGUMENT, "request_id must be"),
        ([options(request_id="x" * 129)], CODES.INVALID_ARGUMENT, "request_id must be"),
        ([options(), chunk(b"x" * (MAX_CHUNK_BYTES + 1))], CODES.INVALID_ARGUMENT, "A chunk may hold 1048576 bytes"),
        ([options(), *[chunk(b"x" * MAX_CHUNK_BYTES)] * 4], CODES.INVALID_ARGUMENT, "3145728 bytes at most"),
        ([options(), chunk(b"x" * 3 * MAX_CHUNK_BYTES)], CODES.RESOURCE_EXHAUSTED, "larger than max"),
    ],
)
def test_a_request_that_breaks_the_protocol_is_told_what_is_wrong(stub, requests, code, message):
    assert refused(stub, *requests)[0] == code
    assert message in refused(stub, *requests)[1]


def test_bytes_that_are_no_message_are_a_status(gateway):
    with grpc.insecure_channel(gateway.target) as channel:
        raw = channel.stream_stream("/deepfake.v1.DetectionService/Analyze")
        for garbage in (b"\xff" * 100, b"garbage", b"\x0a\xff\xff\xff\xff\x0f"):
            with pytest.raises(grpc.RpcError) as caught:
                list(raw(iter([garbage]), timeout=10))
            assert caught.value.code() == CODES.INVALID_ARGUMENT
            assert caught.value.details() == "A message of this call cannot be read: is it of another .proto file?"


def all_errors(kind=DeepfakeError):
    return [
        kind,
        *(one for sub in kind.__subclasses__() for one in all_errors(sub) if one.__module__ == kind.__module__),
    ]


def test_every_error_has_a_status():
    declared = {one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, DeepfakeError)}
    assert set(all_errors()) == declared == set(status.STATUS)


@pytest.mark.parametrize("kind", [*all_errors(), RuntimeError, KeyError, TimeoutError], ids=lambda kind: kind.__name__)
def test_every_error_reaches_the_caller_as_its_status(stub, predictor, kind, caplog):
    predictor.error = kind("secret /srv/path")
    try:
        with caplog.at_level(logging.CRITICAL):
            code, message = refused(stub, options(), chunk(b"x"))
    finally:
        predictor.error = None
    expected = status.of(kind("secret /srv/path"))
    assert (code, message) == (expected.code, expected.message)
    assert message
    if code == CODES.INTERNAL:
        assert "secret" not in message


def test_the_log_has_the_request_id_and_no_content(stub, face_file, caplog, predictor):
    with caplog.at_level(logging.INFO, "serving.gateway"):
        analyze(stub, options(name="private-name.mp4", request_id="r-77"), chunk(face_file.read_bytes()))
        predictor.error = PredictorUnavailableError("it is down")
        refused(stub, options(name="private-name.mp4", request_id="r-78"), chunk(b"x"))
        predictor.error = None
    records = [record for record in caplog.records if record.name == "serving.gateway"]
    lines = [json.loads(json_log.JsonFormatter().format(record)) for record in records]
    found = {line["request"]: line for line in lines}
    assert (found["r-77"]["code"], found["r-77"]["verdict"], found["r-77"]["level"]) == ("OK", "FAKE", "INFO")
    assert {"upload", "decode", "predict"} < set(found["r-77"]["stages_ms"])
    assert (found["r-78"]["code"], found["r-78"]["level"]) == ("UNAVAILABLE", "WARNING")
    assert "it is down" in found["r-78"]["error"]
    assert "private-name" not in str(lines)


def wait_until(check, timeout_sec=20):
    deadline = time.monotonic() + timeout_sec
    while not check():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


class SlowPredictor(StubPredictor):
    """A model that answers once it is let."""

    def __init__(self):
        super().__init__()
        self.asked, self.go = threading.Event(), threading.Event()

    def spec(self, *, deadline_sec=60.0):
        self.asked.set()
        self.go.wait(20)
        return super().spec()


def test_the_gateways_own_deadline_holds_and_is_named(pool, tmp_path):
    slow = SlowPredictor()
    gateway = GatewayThread(slow, pool, tmp_path, deadline_sec=0.5)
    with grpc.insecure_channel(gateway.target) as channel:
        own = detection_pb2_grpc.DetectionServiceStub(channel)
        assert refused(own, options(), chunk(b"x")) == (
            CODES.DEADLINE_EXCEEDED,
            "The deadline passed before there was a verdict.",
        )
        wait_until(lambda: not uploads())
    slow.go.set()
    gateway.close()


def drip(stub, *, pause_sec, num_chunks=40, **values):
    """An upload of single bytes; returns how it was refused."""

    def requests():
        yield options(**values)
        for _ in range(num_chunks):
            time.sleep(pause_sec)
            yield chunk(b"x")

    with pytest.raises(grpc.RpcError) as caught:
        list(stub.Analyze(requests(), timeout=20))
    return caught.value


def test_an_upload_that_pauses_is_ended(stub, monkeypatch):
    monkeypatch.setattr(upload, "IDLE_SEC", 0.1)
    error = drip(stub, pause_sec=1.0)
    assert (error.code(), error.details()) == (CODES.DEADLINE_EXCEEDED, "No message came for 0.1 s.")


def test_an_upload_that_drips_is_ended_and_room_is_bounded_before_it_comes(predictor, pool, tmp_path):
    gateway = GatewayThread(predictor, pool, tmp_path, upload_sec=0.2, max_stored_bytes=100)
    with grpc.insecure_channel(gateway.target) as channel:
        own = detection_pb2_grpc.DetectionServiceStub(channel)
        error = drip(own, pause_sec=0.05)
        assert (error.code(), error.details()) == (CODES.DEADLINE_EXCEEDED, "The upload took longer than 0.2 s.")
        for requests in ([options(size_bytes=101)], [options(), chunk(b"x" * 101)]):
            with pytest.raises(grpc.RpcError) as caught:
                analyze(own, *requests)
            assert caught.value.code() == CODES.RESOURCE_EXHAUSTED
            assert int(dict(caught.value.trailing_metadata())[status.RETRY_KEY]) >= 1000
    gateway.close()


def test_a_caller_is_told_when_its_upload_is_awaited(stub):
    call = stub.Analyze(iter([options(), chunk(b"x")]), timeout=20)
    assert upload.GO_ON_KEY in dict(call.initial_metadata())
    assert list(call)


def test_a_cancelled_call_stops_its_worker_and_leaves_nothing(predictor, tmp_path, face_file, monkeypatch):
    futures = []
    with WorkerPool(1, limits=LIMITS) as own_pool:
        submit = own_pool.submit

        def submit_something_slow(function, *args, on_progress=None, limits=None):
            futures.append(submit(time.sleep, 60))
            return futures[-1]

        monkeypatch.setattr(own_pool, "submit", submit_something_slow)
        gateway = GatewayThread(predictor, own_pool, tmp_path)
        with grpc.insecure_channel(gateway.target) as channel:
            own = detection_pb2_grpc.DetectionServiceStub(channel)
            call = own.Analyze(iter([options(), chunk(face_file.read_bytes())]), timeout=60)
            wait_until(lambda: futures)
            assert uploads()
            call.cancel()
            wait_until(lambda: futures[0].cancelled())
            wait_until(lambda: not uploads())
        gateway.close()


def test_more_calls_than_allowed_are_refused_not_queued(pool, tmp_path):
    slow = SlowPredictor()
    gateway = GatewayThread(slow, pool, tmp_path, max_calls=1)
    with grpc.insecure_channel(gateway.target) as channel:
        own = detection_pb2_grpc.DetectionServiceStub(channel)
        first = own.Analyze(iter([options(), chunk(b"x")]), timeout=60)
        assert slow.asked.wait(20)
        assert refused(own, options(), chunk(b"x"))[0] == CODES.RESOURCE_EXHAUSTED
        slow.go.set()
        assert list(first)[-1].WhichOneof("event") == "verdict"
    gateway.close()
