"""Jobs: their states, keys, expiry, limits and end, over a stub that judges at once or when it is let."""

import asyncio
import hashlib
import threading
import time

import grpc
import pytest

from deepfake_tf.errors import PredictorUnavailableError
from deepfake_tf.schema import Limits
from serving import jobs, status
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from tests.serving.in_process import GatewayThread, StubPredictor
from tests.serving.test_gateway import uploads, wait_until

CODES = grpc.StatusCode
State = detection_pb2.Job
DATA = b"this is no video"
LIMITS = Limits(max_bytes=1000)


class LetPredictor(StubPredictor):
    """A model that answers when it is let."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()
        self.go.set()

    def spec(self, *, deadline_sec=60.0):
        self.go.wait(20)
        return super().spec()


@pytest.fixture(scope="module")
def predictor():
    return LetPredictor()


@pytest.fixture(scope="module")
def gateway(predictor, pool, tmp_path_factory):
    made = GatewayThread(predictor, pool, tmp_path_factory.mktemp("uploads"), limits=LIMITS, max_jobs=40)
    yield made
    made.close()


@pytest.fixture
def stub(gateway, predictor):
    predictor.go.set()
    with grpc.insecure_channel(gateway.target) as channel:
        yield detection_pb2_grpc.DetectionServiceStub(channel)
    predictor.go.set()
    # No job is left to the next test.
    wait_until(lambda: not uploads())


def submit(stub, data=DATA, *, video=None, metadata=None, **options):
    def requests():
        described = detection_pb2.AnalyzeOptions(**{"size_bytes": len(data), **(video or {})})
        yield detection_pb2.SubmitJobRequest(options=detection_pb2.JobOptions(video=described, **options))
        if data:
            yield detection_pb2.SubmitJobRequest(chunk=data)

    return stub.SubmitJob(requests(), timeout=20, metadata=metadata)


def wait(stub, job):
    return list(stub.WaitJob(detection_pb2.WaitJobRequest(job_id=job.job_id), timeout=20))


def get(stub, job_id, metadata=None):
    return stub.GetJob(detection_pb2.GetJobRequest(job_id=job_id), timeout=20, metadata=metadata)


def cancel(stub, job):
    return stub.CancelJob(detection_pb2.CancelJobRequest(job_id=job.job_id), timeout=20)


def refused(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details(), dict(caught.value.trailing_metadata() or ())


def test_a_job_runs_and_ends_with_a_verdict_and_without_its_upload(stub, predictor):
    predictor.go.clear()
    job = submit(stub, video={"request_id": "r-1"})
    assert job.state in (State.QUEUED, State.RUNNING)
    assert len(uploads()) == 1
    assert job.HasField("submitted_at")
    assert not job.HasField("ended_at")
    predictor.go.set()
    seen = wait(stub, job)
    assert [one.state for one in seen[:-1]] == [one.state for one in seen[:-1] if one.state != State.DONE]
    last = seen[-1]
    assert (last.state, last.verdict.request_id) == (State.DONE, "r-1")
    assert detection_pb2.Verdict.Answer.Name(last.verdict.verdict) == "UNREADABLE"
    assert last.verdict.reason.startswith("the video is no video")
    assert not last.HasField("progress")
    assert last.expires_at.seconds - last.ended_at.seconds == jobs.DEFAULT_LIVE_SEC
    assert not uploads()
    assert get(stub, job.job_id) == last


def test_a_key_names_one_job(stub, predictor):
    predictor.go.clear()
    job = submit(stub, idempotency_key="k-1")
    assert submit(stub, idempotency_key="k-1").job_id == job.job_id
    sha256 = hashlib.sha256(DATA).hexdigest()
    # What is known need not be sent again.
    assert submit(stub, b"", idempotency_key="k-1", video={"sha256": sha256}).job_id == job.job_id
    predictor.go.set()
    wait(stub, job)
    assert submit(stub, idempotency_key="k-1").state == State.DONE
    assert submit(stub, idempotency_key="k-2").job_id != job.job_id
    assert submit(stub).job_id != submit(stub).job_id
    wait_until(lambda: not uploads())


def test_another_file_under_a_key_is_refused(stub):
    job = submit(stub, idempotency_key="k-3")
    for again in (
        lambda: submit(stub, b"another file", idempotency_key="k-3"),
        lambda: submit(stub, b"", idempotency_key="k-3", video={"sha256": "0" * 64}),
    ):
        code, message, _ = refused(again)
        assert (code, "Use a new key" in message) == (CODES.ALREADY_EXISTS, True)
    assert wait(stub, job)[-1].state == State.DONE


def test_a_job_is_its_callers_alone(stub):
    mine, other = [("authorization", "Bearer mine")], [("authorization", "Bearer other")]
    job = submit(stub, idempotency_key="k-4", metadata=mine)
    assert get(stub, job.job_id, mine).job_id == job.job_id
    assert refused(lambda: get(stub, job.job_id, other))[0] == CODES.NOT_FOUND
    assert refused(lambda: get(stub, job.job_id))[0] == CODES.NOT_FOUND
    assert submit(stub, b"another file", idempotency_key="k-4", metadata=other).job_id != job.job_id


def test_a_cancelled_job_stops_and_lets_its_upload_go(stub, predictor):
    predictor.go.clear()
    running, queued = submit(stub), submit(stub)
    wait_until(lambda: get(stub, running.job_id).state == State.RUNNING)
    assert get(stub, queued.job_id).state == State.QUEUED
    assert cancel(stub, queued).state == State.CANCELLED
    assert cancel(stub, running).state == State.CANCELLED
    assert wait(stub, running)[-1].state == State.CANCELLED
    assert not uploads()
    predictor.go.set()
    done = wait(stub, submit(stub))[-1]
    assert cancel(stub, done).state == State.DONE


def test_a_job_that_fails_says_what_analyze_would_have_said(stub, predictor):
    predictor.error = PredictorUnavailableError("secret")
    try:
        last = wait(stub, submit(stub, idempotency_key="k-6"))[-1]
    finally:
        predictor.error = None
    # Its key is free for another try.
    assert wait(stub, submit(stub, idempotency_key="k-6"))[-1].state == State.DONE
    expected = status.of(PredictorUnavailableError("secret"))
    assert (last.state, last.failure.code, last.failure.message) == (State.FAILED, "UNAVAILABLE", expected.message)


def test_a_result_expires_with_its_key(stub):
    options = detection_pb2.JobOptions(idempotency_key="k-5")
    options.time_to_live.FromMilliseconds(200)
    job = submit(stub, idempotency_key="k-5", time_to_live=options.time_to_live)
    wait(stub, job)

    def is_gone():
        try:
            get(stub, job.job_id)
        except grpc.RpcError as error:
            return error.code() == CODES.NOT_FOUND
        return False

    wait_until(is_gone)
    assert submit(stub, idempotency_key="k-5").job_id != job.job_id


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"idempotency_key": "k" * 257}, CODES.INVALID_ARGUMENT, "256 characters"),
        ({"video": {"size_bytes": 5000}}, CODES.INVALID_ARGUMENT, "1000 bytes at most"),
        ({"video": {"size_bytes": 3}}, CODES.INVALID_ARGUMENT, "More bytes came than the 3"),
        ({"video": {"request_id": "a b"}}, CODES.INVALID_ARGUMENT, "request_id must be"),
    ],
)
def test_a_wrong_job_is_refused_and_none_is_made(stub, options, code, message):
    found, told, _ = refused(lambda: submit(stub, **options))
    assert (found, message in told) == (code, True)
    assert not uploads()


@pytest.mark.parametrize("seconds", [0, -1, 24 * 3600 + 1])
def test_a_time_to_live_has_limits(stub, seconds):
    options = detection_pb2.JobOptions()
    options.time_to_live.seconds = seconds
    code, message, _ = refused(lambda: submit(stub, time_to_live=options.time_to_live))
    assert (code, "time_to_live must be above 0" in message) == (CODES.INVALID_ARGUMENT, True)


@pytest.mark.parametrize("method", ["GetJob", "WaitJob", "CancelJob"])
def test_a_job_that_is_not_known_says_what_to_do(stub, method):
    request = getattr(detection_pb2, f"{method}Request")(job_id="unknown")

    def call():
        answer = getattr(stub, method)(request, timeout=20)
        return list(answer) if method == "WaitJob" else answer

    code, message, _ = refused(call)
    assert (code, "under the same idempotency key" in message) == (CODES.NOT_FOUND, True)


def test_no_more_jobs_than_allowed_are_known_and_the_refusal_says_when_to_come_again(predictor, pool, tmp_path):
    gateway = GatewayThread(predictor, pool, tmp_path, limits=LIMITS, max_jobs=1)
    with grpc.insecure_channel(gateway.target) as channel:
        own = detection_pb2_grpc.DetectionServiceStub(channel)
        submit(own)
        code, _, metadata = refused(lambda: submit(own))
        assert code == CODES.RESOURCE_EXHAUSTED
        assert int(metadata[status.RETRY_KEY]) > 0
    gateway.close()


def test_when_told_to_stop_jobs_end_and_nothing_new_is_taken_on(predictor, pool, tmp_path):
    gateway = GatewayThread(predictor, pool, tmp_path, limits=LIMITS)
    with grpc.insecure_channel(gateway.target) as channel:
        own = detection_pb2_grpc.DetectionServiceStub(channel)
        predictor.go.clear()
        job = submit(own)
        seen = own.WaitJob(detection_pb2.WaitJobRequest(job_id=job.job_id), timeout=20)
        stopping = threading.Thread(target=gateway.close)
        stopping.start()
        wait_until(lambda: gateway.is_stopping)
        code, message, _ = refused(lambda: submit(own))
        assert (code, "another one may answer" in message) == (CODES.UNAVAILABLE, True)
        predictor.go.set()
        assert list(seen)[-1].state == State.DONE
        stopping.join()


def test_a_task_that_is_cancelled_before_its_first_step_ends_its_job_too(tmp_path):
    async def run():
        store = jobs.Jobs(max_jobs=3, num_at_a_time=1)
        closed = []

        class Upload:
            sha256 = "0"

            def close(self):
                closed.append(True)

        job = store.start(Upload(), detection_pb2.JobOptions(), lambda tell: asyncio.sleep(9), owner="")
        begin = time.monotonic()
        await store.drain(0.0)
        assert time.monotonic() - begin < 5
        return job.state, closed

    assert asyncio.run(run()) == (State.CANCELLED, [True])
