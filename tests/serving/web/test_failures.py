"""Every error over HTTP is one JSON, and its status follows from gRPC's."""

import aiohttp.web
import grpc
import pytest

from serving.status import RETRY_KEY
from serving.web.failures import HTTP_STATUS
from tests.serving.web.running import job

CODES = grpc.StatusCode


def test_the_table_is_whole_and_as_google_documents_it():
    # https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto, "HTTP Mapping", in order of the codes.
    documented = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]
    by_number = sorted(CODES, key=lambda code: code.value[0])
    assert [HTTP_STATUS[code] for code in by_number] == documented


@pytest.mark.parametrize("code", [code for code in CODES if code != CODES.OK], ids=lambda code: code.name)
def test_every_status_of_the_gateway_reaches_the_caller(web, gateway, code):
    gateway.jobs, gateway.error = [job("DONE")], (code, "Why it is so.", ())
    answer = web.ask("GET", "/v1/jobs/j-1")
    assert (answer.status, answer.json) == (HTTP_STATUS[code], {"code": code.name, "message": "Why it is so."})
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "Retry-After" not in answer.headers
    assert ("WWW-Authenticate" in answer.headers) == (code == CODES.UNAUTHENTICATED)


@pytest.mark.parametrize(
    ("pushback", "expected"), [("1", "1"), ("2000", "2"), ("2001", "3"), ("-1", None), ("x", None)]
)
def test_the_gateways_hint_when_to_try_again_is_passed_on(web, gateway, pushback, expected):
    gateway.error = (CODES.UNAVAILABLE, "Later.", ((RETRY_KEY, pushback),))
    assert web.analyze().headers.get("Retry-After") == expected


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/../app.py", 404, "NOT_FOUND"),
        ("GET", "/%2e%2e/app.py", 404, "NOT_FOUND"),
        ("GET", "/v1/jobs/", 404, "NOT_FOUND"),
        ("GET", "/v1/jobs/a:b", 404, "NOT_FOUND"),
        ("GET", "/v1/videos:analyze", 405, "UNIMPLEMENTED"),
        ("DELETE", "/v1/jobs/j-1", 405, "UNIMPLEMENTED"),
        ("OPTIONS", "/v1/videos:analyze", 405, "UNIMPLEMENTED"),
    ],
)
def test_what_is_not_there_says_so(web, method, path, status, code):
    answer = web.ask(method, path)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.json["message"]
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_mistake_of_ours_is_not_explained(web, caplog, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("secret")

    monkeypatch.setattr(aiohttp.web, "json_response", fail)
    answer = web.ask("GET", "/v1/limits")
    assert (answer.status, answer.json) == (500, {"code": "INTERNAL", "message": "The gateway failed."})
    assert "secret" in caplog.text
