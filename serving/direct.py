"""Judging on the caller's own machine: faces are cut out here, and only they go to the model server, never the video.

The same Detector as the gateway's, so that the verdict is the same.
"""

import asyncio
import functools
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Self

import grpc

from deepfake_tf import schema
from deepfake_tf.errors import ConfigError, DeepfakeError
from deepfake_tf.judging.verdict import Verdict
from serving import status
from serving.link import DEFAULT_DEADLINE_SEC, CallError

Progress = Callable[[str, float], None]


class Direct:
    """Judges videos here with a model server's model; it needs what the `gateway` extra installs."""

    def __init__(
        self,
        target: str,
        *,
        model_name: str = schema.MODEL_NAME,
        num_workers: int = 2,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Makes the workers; nothing is sent yet.

        Args:
            target: host:port of a model server's gRPC API.
            model_name: the name that the model is served under.
            num_workers: videos worked on at a time.
            credentials: for TLS; None for a plain link.

        Raises:
            ConfigError: what decodes videos and finds faces is not installed.
        """
        try:
            import av  # noqa: F401
            import cv2  # noqa: F401

            from deepfake_tf.detector import Detector
            from deepfake_tf.predictors import tf_serving
            from deepfake_tf.workers import WorkerPool
        except ImportError as error:
            raise ConfigError(
                f"Judging on this machine needs what decodes videos ({error}): pip install 'deepfake-tf[gateway]'"
            ) from error
        predictor = tf_serving.open_predictor(target, model_name=model_name, credentials=credentials)
        self._pool = WorkerPool(num_workers)
        self._detector = Detector(predictor, pool=self._pool)

    async def analyze(
        self,
        path: Path | str,
        *,
        on_progress: Progress | None = None,
        deadline_sec: float = DEFAULT_DEADLINE_SEC,
    ) -> Verdict:
        """Judges one video, without blocking the event loop.

        Raises:
            CallError: there is no verdict; its code is what a gateway would have answered with.
        """
        judge = functools.partial(
            self._detector.judge,
            path,
            on_progress=on_progress,
            deadline_sec=deadline_sec if math.isfinite(deadline_sec) else DEFAULT_DEADLINE_SEC,
            request_id=uuid.uuid4().hex,
        )
        try:
            return await asyncio.to_thread(judge)
        except DeepfakeError as error:
            # Here the caller is the operator too: they are told all.
            raise CallError(status.of(error).code, str(error)) from error

    def close(self) -> None:
        """Ends the workers and lets go of the model."""
        self._detector.close()
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
