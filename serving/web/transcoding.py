"""From HTTP to the gateway's gRPC service and back. Nothing is decided here: limits and tokens are the gateway's."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, Protocol, TypeVar

import grpc
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deepfake_tf.schema import Limits
from serving.first_status import first_status
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from serving.web.failures import Failed
from serving.web.routes import IDEMPOTENCY_KEY, JSON_TYPE, LINES_TYPE, VIDEO_TYPES

CHUNK_BYTES = 256 * 1024
UNARY_DEADLINE_SEC = 10.0

_M = TypeVar("_M", bound=Message)
_T = TypeVar("_T", bound=Message, covariant=True)


class _Call(AsyncIterable[_T], Protocol[_T]):
    def cancel(self) -> bool: ...


class Transcoder:
    """Answers the routes of routes.ROUTES, each by one call of the gateway."""

    def __init__(self, channel: grpc.aio.Channel, limits: Limits, card: str = "") -> None:
        """Makes the answering side.

        Args:
            channel: to the gateway.
            limits: what the gateway takes, to be told to whoever asks.
            card: the model's, likewise.
        """
        self._gateway = detection_pb2_grpc.DetectionServiceStub(channel)
        self._health = health_pb2_grpc.HealthStub(channel)
        self._limits, self._card = limits, card

    async def analyze_video(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/videos:analyze."""
        options = _parsed(_video_values(request), detection_pb2.AnalyzeOptions())
        body = _Body(request, lambda chunk: detection_pb2.AnalyzeRequest(chunk=chunk))
        messages = body.messages(detection_pb2.AnalyzeRequest(options=options))
        events = self._gateway.Analyze(messages, metadata=_metadata(request))
        async with body:
            return await _answer(request, events, lambda event: event.verdict)

    async def submit_job(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/jobs."""
        video = _video_values(request)
        # What is absent must stay absent: an empty text is no duration.
        about = {"timeToLive": video.pop("timeToLive", None), "idempotencyKey": request.headers.get(IDEMPOTENCY_KEY)}
        options = _parsed({**about, "video": video}, detection_pb2.JobOptions())
        body = _Body(request, lambda chunk: detection_pb2.SubmitJobRequest(chunk=chunk))
        messages = body.messages(detection_pb2.SubmitJobRequest(options=options))
        job = self._gateway.SubmitJob(messages, metadata=_metadata(request))
        with first_status(job):
            async with body:
                return _json(await job)

    async def get_job(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/jobs/{jobId}."""
        message = detection_pb2.GetJobRequest(job_id=request.match_info["jobId"])
        return _json(await self._gateway.GetJob(message, metadata=_metadata(request), timeout=UNARY_DEADLINE_SEC))

    async def wait_job(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/jobs/{jobId}:wait."""
        message = detection_pb2.WaitJobRequest(job_id=request.match_info["jobId"])
        jobs = self._gateway.WaitJob(message, metadata=_metadata(request))
        return await _answer(request, jobs, lambda job: job)

    async def cancel_job(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/jobs/{jobId}:cancel."""
        message = detection_pb2.CancelJobRequest(job_id=request.match_info["jobId"])
        return _json(await self._gateway.CancelJob(message, metadata=_metadata(request), timeout=UNARY_DEADLINE_SEC))

    async def get_health(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/health."""
        message = health_pb2.HealthCheckRequest()
        health = await self._health.Check(message, metadata=_metadata(request), timeout=UNARY_DEADLINE_SEC)
        is_serving = health.status == health_pb2.HealthCheckResponse.SERVING
        return _json(health, http_status=200 if is_serving else 503)

    async def get_limits(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/limits."""
        limits = self._limits
        return web.json_response(
            {
                "maxBytes": limits.max_bytes,
                "maxDurationSec": limits.max_duration_sec,
                "maxPixels": limits.max_pixels,
                "maxFaces": limits.max_faces,
            }
        )

    async def get_model_card(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/model-card."""
        return web.json_response({"markdown": self._card})


class _Body:
    """The body of a request as the messages of an upload; never more of it in memory than a few chunks.

    As a context manager it says what is wrong with the body, where that is why the call ended, and at its end reads no
    more: what is left of a body after a refusal is the server's to throw away.
    """

    def __init__(self, request: web.Request, as_message: Callable[[bytes], Message]) -> None:
        _check_body(request)
        self._request, self._as_message = request, as_message
        self._is_broken = False
        self._reading: asyncio.Task[bytes] | None = None

    async def messages(self, first: Message) -> AsyncIterator[Message]:
        """Yields the options, then chunks of the file as they come."""
        yield first
        while chunk := await self._read():
            yield self._as_message(chunk)

    async def _read(self) -> bytes:
        parts, num_bytes = [], 0
        while num_bytes < CHUNK_BYTES:
            self._reading = asyncio.create_task(self._request.content.read(CHUNK_BYTES - num_bytes))
            try:
                part = await self._reading
            except (web.RequestPayloadError, ConnectionError):
                # gRPC cancels the call, and does not say why.
                self._is_broken = True
                raise
            if not part:
                break
            parts.append(part)
            num_bytes += len(part)
        return b"".join(parts)

    async def __aenter__(self) -> None:
        return

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._is_broken and kind is asyncio.CancelledError:
            raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "The body of the request broke off, or is badly encoded.")


def _check_body(request: web.Request) -> None:
    kind = request.headers.get("Content-Type", VIDEO_TYPES[-1]).partition(";")[0].strip().lower()
    if not kind.startswith("video/") and kind not in VIDEO_TYPES:
        raise Failed(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"The body must be the video itself, as {' or '.join(VIDEO_TYPES)}; no form. Received: {kind!a}",
            http_status=415,
        )
    if "Content-Encoding" in request.headers:
        message = "The body must be the file as it is, without Content-Encoding."
        raise Failed(grpc.StatusCode.INVALID_ARGUMENT, message, http_status=415)


def _video_values(request: web.Request) -> dict[str, Any]:
    """Returns what the request says of its video."""
    values = dict(request.query)
    if request.content_length is not None:
        values.setdefault("sizeBytes", str(request.content_length))
    return values


def _parsed(values: dict[str, Any], message: _M) -> _M:
    try:
        return json_format.ParseDict(values, message)
    except json_format.ParseError as error:
        raise Failed(grpc.StatusCode.INVALID_ARGUMENT, f"A parameter makes no sense: {error}") from error


def _metadata(request: web.Request) -> tuple[tuple[str, str], ...]:
    """Returns the caller's token for the gateway, which knows whether it is right."""
    token = request.headers.get("Authorization", "")
    if not (token.isascii() and token.isprintable()):
        raise Failed(grpc.StatusCode.UNAUTHENTICATED, "A token has printable ASCII characters only.")
    return (("authorization", token),) if token else ()


async def _answer(request: web.Request, call: _Call[_M], last: Callable[[_M], Message]) -> web.StreamResponse:
    """Sends all answers of a call as lines, or, to a caller who did not ask for lines, what is in the last one."""
    answers = _answers(call)
    try:
        answer = await anext(answers, None)
        if answer is None:
            raise Failed(grpc.StatusCode.INTERNAL, "The gateway ended the call without an answer.")
        if LINES_TYPE in request.headers.get("Accept", ""):
            return await _lines(request, answer, answers)
        async for newer in answers:
            answer = newer
        return _json(last(answer))
    finally:
        call.cancel()


async def _answers(call: _Call[_M]) -> AsyncIterator[_M]:
    try:
        with first_status(call):
            async for answer in call:
                yield answer
    except grpc.aio.AioRpcError as error:
        raise Failed.from_call(error) from error


async def _lines(request: web.Request, first: Message, rest: AsyncIterator[Message]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": LINES_TYPE})
    await response.prepare(request)
    await _write_line(response, _text(first))
    try:
        async for answer in rest:
            await _write_line(response, _text(answer))
    except Failed as failed:
        # The status line is gone: the failure is the last line.
        await _write_line(response, f'{{"failure": {_text(failed.message())}}}')
    await response.write_eof()
    return response


async def _write_line(response: web.StreamResponse, text: str) -> None:
    await response.write(text.encode() + b"\n")


def _json(message: Message, *, http_status: int = 200) -> web.Response:
    return web.Response(status=http_status, text=_text(message), content_type=JSON_TYPE)


def _text(message: Message) -> str:
    """Returns the canonical JSON of a message, in one line."""
    return json_format.MessageToJson(message, indent=None)
