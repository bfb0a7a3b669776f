"""What a caller over HTTP is told when there is no answer: one table from gRPC status to HTTP status, one JSON.

Every error of the REST service is the canonical JSON of `deepfake.v1.Failure`.
"""

import logging
import math
from collections.abc import Awaitable, Callable
from typing import Self

import grpc
from aiohttp import web
from google.protobuf import json_format

from serving.protos.deepfake.v1 import detection_pb2
from serving.status import RETRY_KEY

log = logging.getLogger("serving.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_Code = grpc.StatusCode

HTTP_STATUS: dict[grpc.StatusCode, int] = {
    # The mapping that google/rpc/code.proto documents.
    _Code.OK: 200,
    _Code.CANCELLED: 499,
    _Code.UNKNOWN: 500,
    _Code.INVALID_ARGUMENT: 400,
    _Code.DEADLINE_EXCEEDED: 504,
    _Code.NOT_FOUND: 404,
    _Code.ALREADY_EXISTS: 409,
    _Code.PERMISSION_DENIED: 403,
    _Code.UNAUTHENTICATED: 401,
    _Code.RESOURCE_EXHAUSTED: 429,
    _Code.FAILED_PRECONDITION: 400,
    _Code.ABORTED: 409,
    _Code.OUT_OF_RANGE: 400,
    _Code.UNIMPLEMENTED: 501,
    _Code.INTERNAL: 500,
    _Code.UNAVAILABLE: 503,
    _Code.DATA_LOSS: 500,
}


class Failed(Exception):
    """A request that ends without an answer.

    Attributes:
        code: the gRPC status.
        http_status: the HTTP status; that of the table unless HTTP has a better one.
        retry_after_sec: when to try again, None where that is not known.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        http_status: int | None = None,
        retry_after_sec: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status or HTTP_STATUS[code]
        self.retry_after_sec = retry_after_sec

    @classmethod
    def from_call(cls, error: grpc.aio.AioRpcError) -> Self:
        """Returns how a call of the gateway ended."""
        if error.code() == _Code.CANCELLED and not error.details():
            return cls(_Code.CANCELLED, "The call was cancelled.")
        return cls(
            error.code(),
            error.details() or "The gateway gave no reason.",
            retry_after_sec=_retry_after_sec(error.trailing_metadata()),
        )

    @classmethod
    def from_http(cls, error: web.HTTPException) -> Self:
        """Returns what aiohttp refuses by itself: what is not there, or not done in that way."""
        if error.status == 405 and isinstance(error, web.HTTPMethodNotAllowed):
            allowed = ", ".join(sorted(error.allowed_methods))
            return cls(_Code.UNIMPLEMENTED, f"This address takes {allowed}, not {error.method}.", http_status=405)
        if error.status == 404:
            return cls(_Code.NOT_FOUND, "There is nothing at this address. /openapi.json describes what there is.")
        return cls(_Code.INVALID_ARGUMENT, error.reason, http_status=error.status)

    def message(self) -> detection_pb2.Failure:
        """Returns what the caller reads."""
        return detection_pb2.Failure(code=self.code.name, message=str(self))

    def response(self) -> web.Response:
        """Returns the answer to the request."""
        headers = {} if self.retry_after_sec is None else {"Retry-After": str(self.retry_after_sec)}
        if self.http_status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        text = json_format.MessageToJson(self.message(), indent=None)
        return web.Response(status=self.http_status, text=text, content_type="application/json", headers=headers)


@web.middleware
async def answer_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every error into an answer; what is nobody's mistake but ours is logged and not explained."""
    try:
        return await handler(request)
    except Failed as failed:
        return failed.response()
    except grpc.aio.AioRpcError as error:
        return Failed.from_call(error).response()
    except web.HTTPException as error:
        response = Failed.from_http(error).response()
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except UnicodeEncodeError:
        return Failed(_Code.INVALID_ARGUMENT, "The address or a header holds bytes that are no text.").response()
    except ConnectionError:
        # Nobody hears it; raised, it would be logged as a mistake of ours.
        return Failed(_Code.CANCELLED, "The caller has gone.").response()
    except Exception:
        log.exception("the web part failed")
        return Failed(_Code.INTERNAL, "The gateway failed.").response()


def _retry_after_sec(metadata: grpc.aio.Metadata | None) -> int | None:
    value = dict(metadata or ()).get(RETRY_KEY, "")
    if not isinstance(value, str) or not value.isdecimal():
        return None
    return math.ceil(int(value) / 1000)
