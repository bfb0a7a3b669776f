"""Who may call: tokens from a file, compared in constant time, and certificates.

Health and reflection need no token: an orchestrator has none, and what they say is no secret.
"""

import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from deepfake_tf.errors import ConfigError

log = logging.getLogger("serving.access")

OPEN_SERVICES = ("/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/")
MIN_TOKEN_CHARS = 16
_LOOK_AGAIN_SEC = 1.0

_Continue = Callable[[Any], Awaitable[Any]]


class Tokens:
    """The tokens of a file, one a line; empty lines and those that begin with # do not count.

    The file is read again when it has changed; one that cannot be read then leaves the tokens as they were.
    """

    def __init__(self, path: Path) -> None:
        """Reads the file.

        Raises:
            ConfigError: it cannot be read, holds no token, or one that is too short.
        """
        self._path = path
        self._digests: list[bytes] = []
        self._seen = (0, 0)
        self._next_look = 0.0
        self._read()

    def knows(self, authorization: str) -> bool:
        """Whether the value of an `authorization` header is "Bearer " and one of the tokens."""
        self._look_again()
        kind, _, token = authorization.partition(" ")
        digest = _digest(token)
        # Every token is compared, and each comparison takes as long whatever differs.
        found = [hmac.compare_digest(digest, one) for one in self._digests]
        return kind.lower() == "bearer" and any(found)

    def _look_again(self) -> None:
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_AGAIN_SEC
        try:
            if self._state() != self._seen:
                self._read()
                log.info("the token file has changed: %d tokens", len(self._digests))
        except (ConfigError, OSError) as error:
            self._seen = (0, 0)
            log.warning("the token file cannot be used, the tokens stay as they were: %s", error)

    def _read(self) -> None:
        try:
            seen = self._state()
            lines = [line.strip() for line in self._path.read_text().splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--token-file cannot be read: {error}") from error
        tokens = [line for line in lines if line and not line.startswith("#")]
        if not tokens or any(len(token) < MIN_TOKEN_CHARS or not token.isascii() for token in tokens):
            raise ConfigError(
                f"--token-file must hold a token of at least {MIN_TOKEN_CHARS} ASCII characters in each line. "
                f"Received: {len(tokens)} lines in {self._path}"
            )
        self._digests, self._seen = [_digest(token) for token in tokens], seen

    def _state(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size


class TokenGate(grpc.aio.ServerInterceptor):
    """Lets those calls through that bring a token."""

    def __init__(self, tokens: Tokens, on_refusal: Callable[[], None]) -> None:
        """Makes the gate; `on_refusal` is told of each call that is refused."""
        self._tokens = tokens
        self._on_refusal = on_refusal

    async def intercept_service(self, continuation: _Continue, handler_call_details: Any) -> Any:
        """Returns the call's own handler, or one that refuses it as UNAUTHENTICATED."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(OPEN_SERVICES):
            return handler
        given = [value for key, value in handler_call_details.invocation_metadata or () if key == "authorization"]
        if len(given) == 1 and self._tokens.knows(str(given[0])):
            return handler
        self._on_refusal()
        return _refusal(handler)


def _refusal(handler: Any) -> Any:
    """A handler of the same kind that reads nothing and refuses."""

    async def refuse(_: object, context: grpc.aio.ServicerContext) -> None:
        context.set_code(grpc.StatusCode.UNAUTHENTICATED)
        context.set_details("This gateway wants a token: metadata `authorization: Bearer TOKEN`.")

    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    return kinds[handler.request_streaming, handler.response_streaming](refuse)


def server_credentials(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> grpc.ServerCredentials | None:
    """Returns what a server needs for TLS, None for a plain port.

    Args:
        certificate: the server's, with those between it and the root (PEM).
        key: its private key (PEM).
        client_ca: if given, callers must show a certificate that it signed (PEM).

    Raises:
        ConfigError: one is missing, or cannot be read.
    """
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise ConfigError("TLS needs both --tls-certificate and --tls-key; --tls-client-ca comes on top of them.")
    pairs = [(read_pem(key, "PRIVATE KEY"), read_pem(certificate, "CERTIFICATE"))]
    root = read_pem(client_ca, "CERTIFICATE") if client_ca else None
    return grpc.ssl_server_credentials(pairs, root_certificates=root, require_client_auth=root is not None)


def channel_credentials(
    ca: Path | None, certificate: Path | None = None, key: Path | None = None
) -> grpc.ChannelCredentials | None:
    """Returns what a client needs for TLS, None for a plain link.

    Args:
        ca: signed the server's certificate (PEM).
        certificate: the client's own, for a server that asks for one (PEM).
        key: its private key (PEM).

    Raises:
        ConfigError: one is missing, or cannot be read.
    """
    if ca is None and certificate is None and key is None:
        return None
    if ca is None or (certificate is None) != (key is None):
        raise ConfigError("TLS needs the CA's certificate, and a certificate of one's own together with its key.")
    own_key = read_pem(key, "PRIVATE KEY") if key else None
    own = read_pem(certificate, "CERTIFICATE") if certificate else None
    return grpc.ssl_channel_credentials(read_pem(ca, "CERTIFICATE"), own_key, own)


def read_pem(path: Path, kind: str) -> bytes:
    """Returns a PEM file.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from error
    if f"{kind}-----".encode() not in data:
        raise ConfigError(f"{path} holds no {kind} in PEM format.")
    return data


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
