"""The web part in this process, before any gateway, and a gateway that does what a test tells it."""

import asyncio
import http.client
import json
import threading
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deepfake_tf.schema import Limits
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from serving.web.app import WebServer

LIMITS = Limits(max_bytes=3 * 1024**2, max_duration_sec=30)
CARD = """# detector, version 3

**Not measured.** <img src=x onerror=alert(1)>

## What it is not good for

- As `proof`.
- For sound, and a ** that is none.

| split | videos |
|---|---|
| train | 104 |
"""


class ScriptedGateway(detection_pb2_grpc.DetectionServiceServicer, health_pb2_grpc.HealthServicer):
    """Answers with what it was given, and remembers what came.

    Attributes:
        events: of Analyze; jobs: of the calls of jobs; after each comes `error` if there is one.
        error: (code, details, trailing metadata) that every call ends with.
        reads: whether Analyze and SubmitJob read the upload.
        hold_first: an event that Analyze waits for before it reads the upload.
        hold: an event that it waits for when it has read it.
        last: the last event of Analyze, which comes when the event `hold_last` is set.
    """

    def __init__(self):
        self.reset()

    def reset(self):
        self.events, self.jobs, self.error, self.reads = [], [], None, True
        self.hold_first, self.hold, self.last, self.hold_last = None, None, None, None
        self.health = health_pb2.HealthCheckResponse.SERVING
        self.first, self.num_bytes, self.largest, self.metadata = None, 0, 0, {}
        self.request, self.was_cancelled, self.has_begun = None, threading.Event(), threading.Event()

    async def Analyze(self, request_iterator, context):
        try:
            await self._take(request_iterator, context)
            for event in self.events:
                await context.write(event)
            await _set(self.hold_last)
            if self.last is not None:
                await context.write(self.last)
            await self._end(context)
        except asyncio.CancelledError:
            self.was_cancelled.set()
            raise

    async def SubmitJob(self, request_iterator, context):
        await self._take(request_iterator, context)
        await self._end(context)
        return self.jobs[0]

    async def GetJob(self, request, context):
        return await self._job(request, context)

    async def CancelJob(self, request, context):
        return await self._job(request, context)

    async def WaitJob(self, request, context):
        self.request = request
        for job in self.jobs:
            await context.write(job)
        await self._end(context)

    async def Check(self, request, context):
        return health_pb2.HealthCheckResponse(status=self.health)

    async def _job(self, request, context):
        self.request, self.metadata = request, dict(context.invocation_metadata())
        await self._end(context)
        return self.jobs[0]

    async def _take(self, requests, context):
        self.metadata = dict(context.invocation_metadata())
        self.has_begun.set()
        await _set(self.hold_first)
        if not self.reads:
            return
        async for request in requests:
            if self.first is None:
                self.first = request
            self.num_bytes += len(request.chunk)
            self.largest = max(self.largest, len(request.chunk))
        await _set(self.hold)

    async def _end(self, context):
        if self.error is not None:
            code, details, metadata = self.error
            await context.abort(code, details, metadata)


async def _set(event):
    while event is not None and not event.is_set():
        await asyncio.sleep(0.01)


class WebThread:
    """Runs the web part before a gateway until it is closed; without a target, before a scripted one."""

    def __init__(self, target=None, *, limits=LIMITS, names=("deepfakes.example",), card=CARD):
        self.gateway = ScriptedGateway()
        self._target, self._limits, self._names, self._card = target, limits, names, card
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._started.wait(30)

    async def _run(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = grpc.aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        detection_pb2_grpc.add_DetectionServiceServicer_to_server(self.gateway, server)
        health_pb2_grpc.add_HealthServicer_to_server(self.gateway, server)
        await server.start()
        web = WebServer(self._target or f"127.0.0.1:{port}", limits=self._limits, names=self._names, card=self._card)
        self.port = await web.start("127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self.port}"
        self._started.set()
        await self._stop.wait()
        await web.stop()
        await server.stop(1)

    def close(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def ask(self, method, path, body=None, **headers):
        """One request with the standard library's client; header names have _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, own, encode_chunked=hasattr(body, "__next__"))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read().decode())
        finally:
            connection.close()

    def analyze(self, body=b"video", *, query="", **headers):
        return self.ask("POST", f"/v1/videos:analyze{query}", body, Content_Type="video/mp4", **headers)


@dataclass
class Answer:
    status: int
    headers: dict = field(repr=False)
    text: str

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def lines(self):
        return [json.loads(line) for line in self.text.splitlines()]


def verdict_event(**values):
    values = {"verdict": detection_pb2.Verdict.REAL, "outcome": detection_pb2.Outcome.OK, "score": 0.0, **values}
    return detection_pb2.AnalyzeEvent(verdict=detection_pb2.Verdict(**values))


def progress_event(stage, fraction):
    return detection_pb2.AnalyzeEvent(progress=detection_pb2.Progress(stage=stage, fraction=fraction))


def job(state, **values):
    return detection_pb2.Job(job_id="j-1", state=detection_pb2.Job.State.Value(state), **values)


BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED, "Too much to do.", (("grpc-retry-pushback-ms", "2500"),))
