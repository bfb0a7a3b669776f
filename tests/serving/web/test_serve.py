"""The page's port as the gateway's program opens it: beside gRPC, with its certificate, until it is told to stop."""

import http.client
import json
import ssl
import sys

import pytest

from deepfake_tf.errors import ConfigError
from serving.web.serve import read_card, server_context
from tests.serving import certificates
from tests.serving.processes import Process, free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("certificates")
    certificates.authority(made)
    for name in ("server", "client"):
        certificates.certificate(made, name)
    return made


def ask(port, path, *, tls, method="GET", body=None):
    connection = http.client.HTTPSConnection("localhost", port, context=tls, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "video/mp4"} if body else {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_the_page_is_served_beside_the_gateway_with_its_certificate_and_ends_with_it(folder, tmp_path):
    pem = {name: str(folder / f"{name}.pem") for name in ("ca", "server", "client")}
    key = {name: str(folder / f"{name}.key") for name in ("server", "client")}
    # No model answers there: the page works all the same, and says so.
    flags = ("--predictor", f"localhost:{free_port()}", "--workers", "1", "--port", "0", "--web-port", "0")
    tls = ("--tls-certificate", pem["server"], "--tls-key", key["server"], "--tls-client-ca", pem["ca"])
    (tmp_path / "card.md").write_text("# detector, version 3")
    card = ("--model-card", str(tmp_path / "card.md"))
    with Process(sys.executable, "-m", "serving.server", *flags, *tls, *card) as process:
        port = int(process.wait_for(r"^page on https://127.0.0.1:(\d+)/")[1])
        process.wait_for("^gateway on ")
        known = ssl.create_default_context(cafile=pem["ca"])
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(port, "/", tls=known)
        known.load_cert_chain(pem["client"], key["client"])
        status, page = ask(port, "/", tls=known)
        assert (status, "<title>Check a video" in page) == (200, True)
        assert ask(port, "/v1/health", tls=known) == (503, '{"status": "NOT_SERVING"}')
        assert json.loads(ask(port, "/v1/limits", tls=known)[1])["maxBytes"] == 512 * 1024**2
        assert json.loads(ask(port, "/v1/model-card", tls=known)[1]) == {"markdown": "# detector, version 3"}
        status, text = ask(port, "/v1/videos:analyze", tls=known, method="POST", body=b"x")
        assert (status, json.loads(text)["code"]) == (503, "UNAVAILABLE")
        code, log = process.stop()
    assert code == 0, log
    assert "Traceback" not in log


def test_a_card_that_cannot_be_read_is_named(tmp_path):
    assert read_card(None) == ""
    with pytest.raises(ConfigError, match="--model-card cannot be read: .*none.md"):
        read_card(tmp_path / "none.md")


def test_a_certificate_that_cannot_be_used_is_named(folder, tmp_path):
    assert server_context(None, None, None) is None
    with pytest.raises(ConfigError, match="--tls-certificate cannot be used for the page"):
        server_context(folder / "server.pem", folder / "client.key", None)
    with pytest.raises(ConfigError, match="--tls-certificate cannot be used for the page"):
        server_context(folder / "server.pem", folder / "server.key", tmp_path / "none.pem")
