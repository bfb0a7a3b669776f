"""openapi.json is what the service does: every route is in it, and what comes back is what it says."""

import copy
import json

import jsonschema
import pytest
from google.protobuf import timestamp_pb2

from serving.protos.deepfake.v1 import detection_pb2
from serving.web import openapi
from serving.web.app import DESCRIPTION_PATH, make_app
from serving.web.routes import ROUTES
from tests.serving.web.running import BUSY, LIMITS, job, progress_event, verdict_event

DESCRIPTION = json.loads(DESCRIPTION_PATH.read_text())
BOX = detection_pb2.FaceBox(at_sec=0.5, left_px=0, top_px=1.5, right_px=20, bottom_px=30)
CLIP = detection_pb2.Clip(start_sec=0, end_sec=1, score=0.5, face=BOX)
WHOLE = detection_pb2.Verdict(
    verdict=detection_pb2.Verdict.FAKE,
    outcome=detection_pb2.Outcome.OK,
    reason="score",
    score=0.5,
    threshold=0.4,
    band=0,
    coverage=1,
    tracks=[detection_pb2.Track(id=0, score=0.5, clips=[CLIP])],
    model=detection_pb2.Model(name="detector", version=3, spec_hash="ab"),
    timing_ms={"faces": 1.5},
    request_id="r",
)
DONE = job(
    "DONE",
    verdict=WHOLE,
    failure=detection_pb2.Failure(code="OK", message="none"),
    progress=detection_pb2.Progress(stage="faces", fraction=1),
    submitted_at=timestamp_pb2.Timestamp(seconds=1),
    expires_at=timestamp_pb2.Timestamp(seconds=2),
)


class Unconnected:
    """A channel whose calls nobody makes."""

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


def strict(schemas):
    """The schemas with nothing allowed that they do not name, so that a field that is not described is seen."""
    closed = copy.deepcopy(schemas)
    for schema in closed.values():
        schema["additionalProperties"] = False
    return closed


def check(value, path, method, *, status="200", kind="application/json"):
    responses = DESCRIPTION["paths"][path][method]["responses"]
    schema = responses.get(status, responses["default"])["content"][kind]["schema"]
    whole = {**schema, "components": {"schemas": strict(DESCRIPTION["components"]["schemas"])}}
    jsonschema.Draft202012Validator(whole).validate(value)


def test_the_file_is_what_the_routes_and_messages_say():
    assert DESCRIPTION_PATH.read_text() == openapi.to_text(), "run: make protos"


def test_the_schemas_are_schemas_and_refer_to_what_is_there():
    for schema in DESCRIPTION["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    refs = {part.split('"')[1] for part in DESCRIPTION_PATH.read_text().split('"$ref": ')[1:]}
    assert refs
    assert refs <= {f"#/components/schemas/{name}" for name in DESCRIPTION["components"]["schemas"]}


def test_every_route_is_described_and_every_description_is_a_route():
    app = make_app(Unconnected(), limits=LIMITS)
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource.canonical.startswith("/v1/")
    }
    described = {(method, path) for path, one in DESCRIPTION["paths"].items() for method in one}
    assert served == described == {(route.method.lower(), route.path) for route in ROUTES}
    operations = [one["operationId"] for path in DESCRIPTION["paths"].values() for one in path.values()]
    assert len(operations) == len(set(operations))


def test_it_is_served(web):
    answer = web.ask("GET", "/openapi.json")
    assert answer.json == DESCRIPTION
    assert answer.headers["Content-Type"].startswith("application/json")


def test_verdicts_and_events_are_as_described(web, gateway):
    received = detection_pb2.Received(request_id="r", size_bytes=5, sha256="ab")
    events = [detection_pb2.AnalyzeEvent(received=received), progress_event("faces", 0.5)]
    gateway.events = [*events, detection_pb2.AnalyzeEvent(verdict=WHOLE)]
    check(web.analyze().json, "/v1/videos:analyze", "post")
    gateway.error = BUSY
    lines = web.analyze(Accept="application/x-ndjson").lines
    assert [list(line) for line in lines] == [["received"], ["progress"], ["verdict"], ["failure"]]
    for line in lines:
        check(line, "/v1/videos:analyze", "post", kind="application/x-ndjson")


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/{jobId}", "/v1/jobs/{jobId}:wait", "/v1/jobs/{jobId}:cancel"])
def test_jobs_are_as_described(web, gateway, path):
    gateway.jobs = [DONE]
    (method,) = DESCRIPTION["paths"][path]
    answer = web.ask(method.upper(), path.format(jobId="j-1"), b"video" if path == "/v1/jobs" else None)
    assert answer.json["verdict"]["tracks"][0]["clips"][0]["face"]["topPx"] == 1.5
    check(answer.json, path, method)


def test_health_limits_and_errors_are_as_described(web, gateway):
    check(web.ask("GET", "/v1/health").json, "/v1/health", "get")
    gateway.health = 2
    check(web.ask("GET", "/v1/health").json, "/v1/health", "get", status="503")
    check(web.ask("GET", "/v1/limits").json, "/v1/limits", "get")
    gateway.error = BUSY
    answer = web.analyze()
    check(answer.json, "/v1/videos:analyze", "post", status="default")
    assert "Retry-After" in answer.headers
    with pytest.raises(jsonschema.ValidationError):
        check({"code": "X", "reason": "y"}, "/v1/videos:analyze", "post", status="default")


def test_a_verdict_with_less_in_it_is_one_too(web, gateway):
    gateway.events = [verdict_event(score=None, verdict=detection_pb2.Verdict.NO_FACE)]
    check(web.analyze().json, "/v1/videos:analyze", "post")
