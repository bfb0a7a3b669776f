"""Which model judges: the gateway's view of the model server, its health, and the canary's share of the videos."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.errors import DeepfakeError, PredictorError, PredictorUnavailableError, ServableError
from deepfake_tf.predictors import DEFAULT_DEADLINE_SEC, Predictor
from deepfake_tf.schema import ServableSpec
from serving.monitoring import Monitoring

if TYPE_CHECKING:
    from grpc_health.v1.health.aio import HealthServicer

log = logging.getLogger("serving.models")

HEALTH_SERVICES = ("", "deepfake.v1.DetectionService")
_INTERVAL_SEC = 2.0
_DEADLINE_SEC = 5.0
# A canary that does not answer leaves the stable model time to.
_CANARY_SHARE_OF_DEADLINE = 0.5


class CanaryFirst:
    """One video's model: the canary, and the stable model from the canary's first failure on."""

    def __init__(self, canary: Predictor, stable: Predictor, on_failure: Callable[[], None] = lambda: None) -> None:
        """Puts one before the other.

        Args:
            canary: is asked first.
            stable: is asked when the canary has failed.
            on_failure: is called then, once.
        """
        self._canary, self._stable = canary, stable
        self._on_failure = on_failure
        self._has_failed = False
        self._spec: ServableSpec | None = None

    def spec(self, *, deadline_sec: float = DEFAULT_DEADLINE_SEC) -> ServableSpec:
        """Returns what the model that judges says of itself, as `Predictor.spec`."""
        if not self._has_failed:
            try:
                self._spec = self._canary.spec(deadline_sec=deadline_sec * _CANARY_SHARE_OF_DEADLINE)
                return self._spec
            except (PredictorError, ServableError) as error:
                self._note_failure(error)
        return self._stable.spec(deadline_sec=deadline_sec)

    def predict(
        self,
        clips: Sequence[Sequence[bytes]],
        mask: NDArray[np.bool_],
        *,
        spec: ServableSpec,
        deadline_sec: float = DEFAULT_DEADLINE_SEC,
    ) -> NDArray[np.float32]:
        """Returns one logit for each clip, as `Predictor.predict`.

        Raises:
            PredictorUnavailableError: the canary failed: asked for its spec again, this says the stable model's.
        """
        if self._has_failed or spec != self._spec:
            return self._stable.predict(clips, mask, spec=spec, deadline_sec=deadline_sec)
        try:
            limit_sec = deadline_sec * _CANARY_SHARE_OF_DEADLINE
            logits = self._canary.predict(clips, mask, spec=spec, deadline_sec=limit_sec)
            if logits.shape == (len(clips),) and np.all(np.isfinite(logits)):
                return logits
            raise ServableError(f"it answered {logits.tolist()} for {len(clips)} clips")
        except (PredictorError, ServableError) as error:
            self._note_failure(error)
            raise PredictorUnavailableError("The canary failed on this video.") from error

    def close(self) -> None:
        """Does nothing: the models are shared."""

    def _note_failure(self, error: DeepfakeError) -> None:
        self._has_failed = True
        self._on_failure()
        log.warning("the canary failed, the stable model judges: %s", error)


def choose_predictor(
    stable: Predictor, canary: Predictor | None, share: float, *, on_failure: Callable[[], None] = lambda: None
) -> Callable[[str], Predictor]:
    """Returns what chooses the model for a request's id: equal ids always go to the same one.

    Args:
        stable: judges the rest.
        canary: judges its share; None for none.
        share: of the requests, in [0, 1].
        on_failure: is called for each video on which the canary fails.
    """

    def choose(request_id: str) -> Predictor:
        if canary is None or place(request_id) >= share:
            return stable
        return CanaryFirst(canary, stable, on_failure)

    return choose


def place(request_id: str) -> float:
    """Returns where an id lies in [0, 1): the canary's are those below its share."""
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:8]) / 2**64


async def watch(health: "HealthServicer", stable: Predictor, canary: Predictor | None, monitoring: Monitoring) -> None:
    """Keeps the health of the service what the model's is: a gateway without a model that it understands is not ready.

    The canary's state is logged and counted; as the stable model stands in for it, it is not the service's health.
    """
    from grpc_health.v1 import health_pb2

    told: dict[str, str] = {}
    while True:
        spec = await _look("the model", stable, told)
        monitoring.note_model(spec)
        state = health_pb2.HealthCheckResponse.SERVING if spec else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in HEALTH_SERVICES:
            await health.set(service, state)
        if canary is not None:
            monitoring.note_model(await _look("the canary", canary, told), is_stable=False)
        await asyncio.sleep(_INTERVAL_SEC)


async def _look(name: str, predictor: Predictor, told: dict[str, str]) -> ServableSpec | None:
    """Returns what a model says of itself, None if that is nothing that is understood; logs what has changed."""
    spec = None
    try:
        spec = await asyncio.to_thread(predictor.spec, deadline_sec=_DEADLINE_SEC)
        now = f"{name} is {spec.model_name} version {spec.model_version}, spec {spec.fingerprint()}"
    except DeepfakeError as error:
        now = f"{name} cannot be used: {error}"
    if told.get(name) != now:
        log.info("%s", now)
        told[name] = now
    return spec
