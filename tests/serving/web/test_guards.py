"""What is refused whatever it asks for, and what every answer tells the browser."""

import socket

import pytest

from serving.web import app
from tests.benchmarks import serving_hostile_http
from tests.serving.web.running import WebThread, job, verdict_event

HOSTS_THAT_ARE_OURS = [
    "localhost:{port}",
    "LOCALHOST",
    "127.0.0.1:{port}",
    "[::1]:{port}",
    "10.1.2.3",
    "deepfakes.example",
]
HOSTS_THAT_ARE_NOT = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "",
    "a b",
    "[::1",
    "@",
    "x:y:z",
]


@pytest.mark.parametrize("host", HOSTS_THAT_ARE_OURS)
def test_addresses_and_known_names_are_served(web, host):
    assert web.ask("GET", "/v1/limits", Host=host.format(port=web.port)).status == 200


@pytest.mark.parametrize("host", HOSTS_THAT_ARE_NOT)
@pytest.mark.parametrize("path", ["/", "/v1/limits"])
def test_other_names_are_refused(web, host, path):
    answer = web.ask("GET", path, Host=host)
    assert (answer.status, answer.json["code"]) == (403, "PERMISSION_DENIED")


def test_pages_of_other_sites_cannot_post(web, gateway):
    for origin in ("https://evil.example", "null", "http://localhost:1", f"http://evil.example:{web.port}"):
        answer = web.analyze(Origin=origin)
        assert (answer.status, answer.json["code"]) == (403, "PERMISSION_DENIED")
    assert not gateway.has_begun.is_set()


def test_our_own_page_can_post_behind_a_proxy_too(web, gateway):
    assert web.analyze(Origin=f"http://127.0.0.1:{web.port}").status == 500  # the gateway gave no answer
    assert gateway.has_begun.is_set()
    gateway.reset()
    web.analyze(Origin="https://deepfakes.example", Host="deepfakes.example")
    assert gateway.has_begun.is_set()


@pytest.mark.parametrize("path", ["/", "/page.js", "/openapi.json", "/v1/limits", "/nothing", "/v1/jobs/j:x"])
def test_every_answer_has_the_headers(web, path):
    headers = web.ask("GET", path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] in ("no-store", "no-cache")
    assert "Set-Cookie" not in headers
    assert "Access-Control-Allow-Origin" not in headers
    assert "aiohttp" not in headers["Server"]


def test_what_is_no_http_does_not_hurt_and_is_not_logged(web, caplog):
    for garbage in (b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"x" * 100_000 + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.sendall(garbage)
            assert connection.recv(100).startswith(b"HTTP/1.")
    assert web.ask("GET", "/v1/limits").status == 200
    assert caplog.records == []


def test_requests_that_are_nearly_right_do_not_hurt_either(web, gateway, caplog):
    gateway.events, gateway.jobs = [verdict_event()], [job("DONE")]
    statuses = {serving_hostile_http.send(web.port, seed) for seed in range(200)}
    assert {"400", "403"} < statuses
    assert not {status for status in statuses if status.startswith("5")}
    assert [record for record in caplog.records if record.name.startswith("serving")] == []


@pytest.mark.parametrize(
    ("line", "header", "status"),
    [
        (b"POST /v1/jobs", b"Content-Length: 0\r\nIdempotency-Key: \xff", b"400"),
        (b"GET /v1/jobs/j", b"Authorization: Bearer \xc3\xa9", b"401"),
        (b"GET /v1/jobs/j", b"Authorization: Bearer \xff", b"401"),
        (b"POST /v1/jobs", b"Content-Length: 0\r\nContent-Type: vi\xffeo/mp4", b"415"),
    ],
)
def test_bytes_that_are_no_text_are_the_callers_mistake(web, caplog, line, header, status):
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        connection.sendall(line + b" HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 " + status)
    assert caplog.records == []


def test_a_connection_that_does_not_get_on_is_closed(monkeypatch):
    monkeypatch.setattr(app, "IDLE_SEC", 0.3)
    web = WebThread()
    whole = b"GET /v1/limits HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for sent in (b"", b"GET / HTTP/1.1\r\nHost: loc", whole):
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.sendall(sent)
            while connection.recv(4096):
                pass
    web.close()
