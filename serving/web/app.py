"""The web part as a whole: routes, page and guards in one application, and a server for it."""

import functools
import logging
import ssl
from collections.abc import Collection
from pathlib import Path

import grpc
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from deepfake_tf.errors import ConfigError
from deepfake_tf.schema import Limits
from serving.web.failures import answer_failures
from serving.web.guards import add_headers, refuse_strangers
from serving.web.routes import JSON_TYPE, ROUTES
from serving.web.transcoding import CHUNK_BYTES, Transcoder


class _NotOfCallers(logging.Filter):
    """Leaves out what callers send that is no HTTP: it would fill the log, and with what is theirs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Says whether a record is about a mistake of ours."""
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


http_log = logging.getLogger("serving.web.http")
http_log.addFilter(_NotOfCallers())

FOLDER = Path(__file__).parent
PAGE_FOLDER = FOLDER / "page"
DESCRIPTION_PATH = FOLDER / "openapi.json"
PAGE_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
IDLE_SEC = 30.0
"""How long a connection may be open without a request."""
# A request ends with its call of the gateway, which is stopped first.
_LAST_ANSWERS_SEC = 5.0


def make_app(
    channel: grpc.aio.Channel, *, limits: Limits, names: Collection[str] = (), card: str = ""
) -> web.Application:
    """Makes the application.

    Args:
        channel: to the gateway.
        limits: what the gateway takes.
        names: host names besides localhost under which it may be called.
        card: the model's, in Markdown; "" if there is none.
    """
    app = web.Application(middlewares=[answer_failures, refuse_strangers(names)])
    app.on_response_prepare.append(add_headers)
    transcoder = Transcoder(channel, limits, card)
    for route in ROUTES:
        # A job's name has no colon, so that /jobs/x:wait is not the job "x:wait".
        path = route.path.replace("{jobId}", "{jobId:[^/:]+}")
        app.router.add_route(route.method, path, getattr(transcoder, route.operation))
    _add_file(app, "/openapi.json", DESCRIPTION_PATH, JSON_TYPE)
    for file in sorted(PAGE_FOLDER.iterdir()):
        _add_file(app, "/" if file.name == "index.html" else f"/{file.name}", file, PAGE_TYPES[file.suffix])
    return app


class WebServer:
    """Serves the page and REST until it is stopped."""

    def __init__(self, target: str, *, limits: Limits, names: Collection[str] = (), card: str = "") -> None:
        """Notes what to serve; nothing runs yet.

        Args:
            target: the gateway's address for gRPC.
            limits: what the gateway takes.
            names: host names besides localhost under which it may be called.
            card: the model's, in Markdown; "" if there is none.
        """
        self._target, self._limits, self._names, self._card = target, limits, names, card

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Begins to listen.

        Args:
            host: address to listen on.
            port: 0 takes a free one.
            tls: encrypts; without it the page is plain HTTP.

        Returns:
            The port.

        Raises:
            ConfigError: the address is taken.
        """
        # The authority of a socket's path would be no host name.
        self._channel = grpc.aio.insecure_channel(self._target, options=[("grpc.default_authority", "localhost")])
        self._runner = web.AppRunner(
            make_app(self._channel, limits=self._limits, names=self._names, card=self._card),
            # Addresses hold what callers name their videos. The gateway logs each call.
            access_log=None,
            logger=http_log,
            # A caller who hangs up stops the work.
            handler_cancellation=True,
            keepalive_timeout=IDLE_SEC,
            read_bufsize=CHUNK_BYTES,
            auto_decompress=False,
            shutdown_timeout=_LAST_ANSWERS_SEC,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        except OSError as error:
            await self.stop()
            raise ConfigError(f"Cannot listen on {host}:{port}: {error}. Choose another with --web-port.") from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Takes no more connections, and cancels the requests that do not end at once."""
        await self._runner.cleanup()
        await self._channel.close()


def _add_file(app: web.Application, address: str, path: Path, kind: str) -> None:
    app.router.add_get(address, functools.partial(_send, path.read_bytes(), kind))


async def _send(data: bytes, kind: str, request: web.Request) -> web.StreamResponse:
    headers = {"Cache-Control": "no-cache"}
    return web.Response(body=data, content_type=kind, charset="utf-8", headers=headers)
