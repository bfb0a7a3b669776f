"""The gateway's ports: a public one, with TLS or without, and a private socket for what runs beside it."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence

import grpc

from deepfake_tf.errors import ConfigError
from serving.upload import MAX_MESSAGE_BYTES

_OPTIONS = [
    # Two servers on one port would share the calls between them; the second shall fail to start.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # Names, tokens and the like are short.
    ("grpc.max_metadata_size", 16 * 1024),
    # A caller that has gone without a word is found out; one that pings too often is not cut off.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]


def make_server(
    address: str,
    *,
    max_open_calls: int,
    credentials: grpc.ServerCredentials | None = None,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
) -> tuple[grpc.aio.Server, int]:
    """Makes a server that is ready for its services.

    Args:
        address: host:port; port 0 takes a free one.
        max_open_calls: of all kinds, health checks among them: a fence far above what the services take on, as what
            it turns away is not told when to come again.
        credentials: for TLS; None for a plain port.
        interceptors: see each call before the services do.

    Returns:
        The server, and its port.

    Raises:
        ConfigError: the address is taken.
    """
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=max_open_calls, interceptors=list(interceptors))
    try:
        if credentials is None:
            return server, server.add_insecure_port(address)
        return server, server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise ConfigError(f"Cannot listen on {address}: {error}. Choose another with --port.") from error


@contextlib.contextmanager
def private_socket(server: grpc.aio.Server) -> Iterator[str]:
    """Has a server that is not started yet listen on a socket that only this user can reach; yields its target.

    Tokens are asked for there as well.
    """
    with tempfile.TemporaryDirectory(prefix="deepfake-gateway-") as folder:
        target = f"unix:{folder}/gateway.sock"
        server.add_insecure_port(target)
        yield target
