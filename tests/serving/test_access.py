"""Tokens and certificates: who gets through, who does not, and what they are told."""

import logging
import os

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deepfake_tf.errors import ConfigError
from serving import access
from serving.access import TokenGate, Tokens
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from tests.serving import certificates
from tests.serving.in_process import GatewayThread, StubPredictor

CODES = grpc.StatusCode
TOKEN, OTHER = "t" * 20, "o" * 20


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# a team\n{TOKEN}\n\n{OTHER}\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("certificates")
    for ca in ("ca", "stranger"):
        certificates.authority(made, ca)
    certificates.certificate(made, "server")
    certificates.certificate(made, "client")
    certificates.certificate(made, "expired", expired=True)
    certificates.certificate(made, "foreign", ca="stranger")
    return made


def code_of(channel, metadata=None):
    """NOT_FOUND tells that a call got through: there is no such job."""
    request = detection_pb2.GetJobRequest(job_id="x")
    stub = detection_pb2_grpc.DetectionServiceStub(channel)
    with channel, pytest.raises(grpc.RpcError) as caught:
        stub.GetJob(request, timeout=10, metadata=metadata)
    return caught.value.code()


@pytest.mark.parametrize(
    ("authorization", "known"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer {OTHER}", True),
        (f"Bearer {TOKEN}x", False),
        (f"Bearer {TOKEN[:-1]}", False),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        ("Bearer", False),
        ("Bearer # a team", False),
        ("", False),
    ],
)
def test_only_the_tokens_of_the_file_are_known(token_file, authorization, known):
    assert Tokens(token_file).knows(authorization) is known


def test_the_file_is_read_again_when_it_changes(token_file, monkeypatch, caplog):
    monkeypatch.setattr(access, "_LOOK_AGAIN_SEC", 0.0)
    tokens = Tokens(token_file)
    token_file.write_text("n" * 20 + "\n")
    os.utime(token_file, ns=(1, 1))
    assert tokens.knows("Bearer " + "n" * 20)
    assert not tokens.knows(f"Bearer {TOKEN}")
    with caplog.at_level(logging.WARNING):
        token_file.unlink()
        assert tokens.knows("Bearer " + "n" * 20)
    assert "the tokens stay as they were" in caplog.text
    assert "nnn" not in caplog.text


@pytest.mark.parametrize("text", ["", "# nothing\n", "short\n", "ä" * 20])
def test_a_file_without_good_tokens_is_refused_and_not_repeated(tmp_path, text):
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(ConfigError, match="token of at least 16") as caught:
        Tokens(path)
    assert text.strip() not in str(caught.value) or not text.strip()
    with pytest.raises(ConfigError, match="cannot be read"):
        Tokens(tmp_path / "absent")


@pytest.mark.parametrize("target", ["target", "socket_target"])
def test_calls_without_a_known_token_are_refused_on_every_port(token_file, target):
    refused = []
    options = {"interceptors": [TokenGate(Tokens(token_file), lambda: refused.append(True))]}
    gateway = GatewayThread(StubPredictor(), None, server_options=options)
    where = getattr(gateway, target)
    assert code_of(grpc.insecure_channel(where), [("authorization", f"Bearer {TOKEN}")]) == CODES.NOT_FOUND
    for metadata in (
        None,
        [("authorization", "Bearer wrong")],
        [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer wrong")],
    ):
        assert code_of(grpc.insecure_channel(where), metadata) == CODES.UNAUTHENTICATED
    with grpc.insecure_channel(where) as channel:
        stub = detection_pb2_grpc.DetectionServiceStub(channel)
        for call in (stub.Analyze, stub.AnalyzeLive):
            with pytest.raises(grpc.RpcError) as caught:
                list(call(iter([]), timeout=10))
            assert caught.value.code() == CODES.UNAUTHENTICATED
        # What needs none is not stopped: here there is no such service.
        with pytest.raises(grpc.RpcError) as caught:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert caught.value.code() == CODES.UNIMPLEMENTED
    gateway.close()
    assert len(refused) == 5


@pytest.fixture(scope="module")
def guarded(folder):
    """A gateway that asks its callers for a certificate."""
    credentials = access.server_credentials(folder / "server.pem", folder / "server.key", folder / "ca.pem")
    gateway = GatewayThread(StubPredictor(), None, server_options={"credentials": credentials})
    yield gateway
    gateway.close()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("client", CODES.NOT_FOUND),
        ("expired", CODES.UNAVAILABLE),
        ("foreign", CODES.UNAVAILABLE),
        (None, CODES.UNAVAILABLE),
    ],
)
def test_mtls_asks_for_a_certificate_of_the_ca_that_is_valid_now(folder, guarded, name, code):
    own = (folder / f"{name}.pem", folder / f"{name}.key") if name else ()
    target = guarded.target.replace("127.0.0.1", "localhost")
    assert code_of(grpc.secure_channel(target, access.channel_credentials(folder / "ca.pem", *own))) == code


def test_neither_a_plain_caller_nor_one_that_trusts_another_ca_gets_through(folder, guarded):
    assert code_of(grpc.insecure_channel(guarded.target)) == CODES.UNAVAILABLE
    credentials = access.channel_credentials(folder / "stranger.pem", folder / "client.pem", folder / "client.key")
    assert code_of(grpc.secure_channel(guarded.target, credentials)) == CODES.UNAVAILABLE


def test_a_caller_does_not_talk_to_a_server_whose_certificate_has_expired(folder):
    credentials = access.server_credentials(folder / "expired.pem", folder / "expired.key", None)
    gateway = GatewayThread(StubPredictor(), None, server_options={"credentials": credentials})
    assert (
        code_of(grpc.secure_channel(gateway.target, access.channel_credentials(folder / "ca.pem"))) == CODES.UNAVAILABLE
    )
    gateway.close()


def test_credentials_that_lack_a_part_are_refused(folder, tmp_path):
    assert access.server_credentials(None, None, None) is None
    assert access.channel_credentials(None) is None
    with pytest.raises(ConfigError, match="needs both"):
        access.server_credentials(folder / "server.pem", None, None)
    with pytest.raises(ConfigError, match="needs both"):
        access.server_credentials(None, None, folder / "ca.pem")
    with pytest.raises(ConfigError, match="together with its key"):
        access.channel_credentials(folder / "ca.pem", folder / "client.pem")
    with pytest.raises(ConfigError, match="holds no PRIVATE KEY"):
        access.server_credentials(folder / "server.pem", folder / "server.pem", None)
    with pytest.raises(ConfigError, match="Cannot read"):
        access.channel_credentials(tmp_path / "absent.pem")
