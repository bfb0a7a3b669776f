"""The web part as the gateway's program runs it: by its flags, over the private socket, with the same certificate."""

import argparse
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import grpc

from deepfake_tf.errors import ConfigError
from serving import flags, listening
from serving.web.app import WebServer


@contextlib.asynccontextmanager
async def served(arguments: argparse.Namespace, server: grpc.aio.Server) -> AsyncIterator[None]:
    """Serves the page and REST as long as the block runs.

    Args:
        arguments: the gateway's.
        server: the gateway's, not started yet.

    Raises:
        ConfigError: the port is taken, or the certificate or the model card cannot be used.
    """
    card = read_card(arguments.model_card)
    tls = server_context(arguments.tls_certificate, arguments.tls_key, arguments.tls_client_ca)
    with listening.private_socket(server) as target:
        web = WebServer(target, limits=flags.video_limits(arguments), names=arguments.web_names or (), card=card)
        port = await web.start(arguments.host, arguments.web_port, tls=tls)
        print(f"page on {'https' if tls else 'http'}://{arguments.host}:{port}/", flush=True)  # noqa: T201
        try:
            yield
        finally:
            await web.stop()


def read_card(path: Path | None) -> str:
    """Returns a model card's text, "" if there is none.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return path.read_text("utf-8") if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--model-card cannot be read: {error}") from error


def server_context(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ssl.SSLContext | None:
    """Returns what encrypts the page's port as the gateway's own is.

    Args:
        certificate: our chain (PEM); None for plain HTTP.
        key: its private key (PEM).
        client_ca: of the callers (PEM): browsers must show a certificate too. None lets everybody in.

    Raises:
        ConfigError: a file cannot be used.
    """
    if certificate is None:
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"The certificate of --tls-certificate cannot be used for the page: {error}") from error
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
