"""What is refused before it is looked at, and what every answer says to the browser.

The page has no cookie and no session, so that another site could at most make a visitor's browser work for it. A
request that names another site as its origin is refused, and so is one for a host name that is not ours: by a name that
the attacker makes point here (DNS rebinding) any site could pass for this one. A numeric address cannot be such a name.
"""

import ipaddress
from collections.abc import Iterable

import grpc
from aiohttp import web
from aiohttp.typedefs import Middleware
from yarl import URL

from serving.web.failures import Failed, Handler

LOCAL_NAME = "localhost"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        # The video that was chosen, which the page plays from the visitor's own file.
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # aiohttp would tell its release, and Python's.
    "Server": "deepfake-tf",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Adds the headers of every answer."""
    response.headers.update(HEADERS)
    # Verdicts and errors are nobody's but the caller's; the page's files are asked for again after an update.
    response.headers.setdefault("Cache-Control", "no-store")


def refuse_strangers(names: Iterable[str]) -> Middleware:
    """Makes the middleware that looks at Host and Origin.

    Args:
        names: host names besides localhost under which the page may be called.
    """
    known = {LOCAL_NAME, *(name.lower() for name in names)}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        _check_host(request.host, known)
        _check_origin(request)
        return await handler(request)

    return guard


def _check_host(host: str, known: set[str]) -> None:
    try:
        name = URL(f"http://{host}").host or ""
    except ValueError:
        name = ""
    if name.lower() not in known and not _is_address(name):
        raise Failed(
            grpc.StatusCode.PERMISSION_DENIED,
            "The gateway does not go by this host name. Whoever runs it can allow the name with --web-names.",
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _check_origin(request: web.Request) -> None:
    origin = request.headers.get("Origin")
    # A proxy may have taken TLS off, so that the scheme says nothing.
    if origin is not None and origin.partition("://")[2] != request.host:
        raise Failed(grpc.StatusCode.PERMISSION_DENIED, "Pages of other sites may not use this gateway.")
