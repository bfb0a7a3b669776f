"""A gateway in this process, over any predictor."""

import asyncio
import threading

import numpy as np

from deepfake_tf.detector import Detector
from deepfake_tf.schema import Limits
from serving.gateway import Gateway, GatewayLimits
from serving.listening import make_server, private_socket
from serving.protos.deepfake.v1 import detection_pb2_grpc
from tests import servables


class StubPredictor:
    """A model that answers with fixed logits, or fails."""

    def __init__(self, logit=2.0):
        self.logit = logit
        self.error = None
        self.seen_clips, self.seen_masks = [], []

    def spec(self, *, deadline_sec=60.0):
        if self.error is not None:
            raise self.error
        return servables.SPEC

    def predict(self, clips, mask, *, spec, deadline_sec=60.0):
        self.seen_clips += list(clips)
        self.seen_masks += list(mask)
        return np.full(len(clips), self.logit, np.float32)

    def close(self):
        pass


class GatewayThread:
    """Runs a gateway until it is closed."""

    def __init__(self, predictor, pool, folder=None, *, limits=None, server_options=None, **gateway_limits):
        self._gateway = Gateway(
            Detector(predictor, limits or Limits(), pool),
            limits=GatewayLimits(**{"max_calls": 8, "deadline_sec": 60.0, **gateway_limits}),
            folder=folder,
        )
        self.folder, self._server_options = folder, server_options or {}
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._started.wait(30)

    async def _run(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server, port = make_server("127.0.0.1:0", max_open_calls=64, **self._server_options)
        detection_pb2_grpc.add_DetectionServiceServicer_to_server(self._gateway, server)
        with private_socket(server) as self.socket_target:
            await server.start()
            self.target = f"127.0.0.1:{port}"
            self._started.set()
            await self._stop.wait()
            await self._gateway.drain(5)
            await server.stop(5)
        self._gateway.close()

    @property
    def is_stopping(self):
        return self._gateway.is_stopping

    def close(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
