"""What our errors are to a caller of the gateway: one table from exception to gRPC status."""

from dataclasses import dataclass

import grpc

from deepfake_tf import errors
from deepfake_tf.errors import DeepfakeError

_Code = grpc.StatusCode

STATUS: dict[type[DeepfakeError], tuple[grpc.StatusCode, str]] = {
    # The status, and what the caller is told; "" tells the error's own message, which is about the caller's request.
    errors.DeepfakeError: (_Code.INTERNAL, "The gateway failed."),
    errors.ConfigError: (_Code.INTERNAL, "The gateway is not set up as it must be."),
    errors.AssetError: (_Code.INTERNAL, "The gateway lacks the weights of the face detector."),
    errors.RequestError: (_Code.INVALID_ARGUMENT, ""),
    errors.UploadTimeoutError: (_Code.DEADLINE_EXCEEDED, ""),
    errors.UnknownJobError: (_Code.NOT_FOUND, ""),
    errors.KeyConflictError: (_Code.ALREADY_EXISTS, ""),
    errors.DataError: (_Code.INTERNAL, "The gateway failed."),
    errors.LeakError: (_Code.INTERNAL, "The gateway failed."),
    errors.VideoError: (_Code.INVALID_ARGUMENT, ""),
    errors.DecodeError: (_Code.INVALID_ARGUMENT, ""),
    errors.NoFaceError: (_Code.INVALID_ARGUMENT, ""),
    errors.TooLargeError: (_Code.INVALID_ARGUMENT, ""),
    errors.TooLongError: (_Code.INVALID_ARGUMENT, ""),
    errors.VideoTimeoutError: (_Code.DEADLINE_EXCEEDED, ""),
    errors.WorkerError: (_Code.INTERNAL, "The gateway failed."),
    errors.WorkerTimeoutError: (_Code.DEADLINE_EXCEEDED, "The video took longer than allowed."),
    errors.WorkerCrashError: (_Code.INTERNAL, "The gateway failed on this video."),
    errors.WorkerStartError: (_Code.UNAVAILABLE, "The gateway cannot work on videos for now. Try again later."),
    errors.ServableError: (_Code.FAILED_PRECONDITION, "The gateway cannot work with the model that is served."),
    errors.TrainingError: (_Code.INTERNAL, "The gateway failed."),
    errors.GatewayBusyError: (_Code.RESOURCE_EXHAUSTED, ""),
    errors.GatewayStoppingError: (_Code.UNAVAILABLE, ""),
    errors.PredictorError: (_Code.INTERNAL, "The model failed."),
    errors.PredictorUnavailableError: (_Code.UNAVAILABLE, "The model cannot be reached for now. Try again later."),
    errors.PredictorBusyError: (_Code.RESOURCE_EXHAUSTED, "The model is busy. Try again later."),
    errors.PredictorTimeoutError: (_Code.DEADLINE_EXCEEDED, "The model did not answer in time."),
}


RETRY_KEY = "grpc-retry-pushback-ms"
"""Trailing metadata that says when to try again, as gRPC's own retries read it (gRFC A6)."""

_MODEL_BUSY_SEC = 2.0


@dataclass(frozen=True)
class Status:
    """How a call ends that has no verdict.

    Attributes:
        retry_after_sec: when to try again; None where the caller is not told.
    """

    code: grpc.StatusCode
    message: str
    retry_after_sec: float | None = None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The trailing metadata that goes with it."""
        return () if self.retry_after_sec is None else ((RETRY_KEY, str(round(self.retry_after_sec * 1000))),)


def of(error: BaseException) -> Status:
    """Returns how a call ends on an error. What the caller did not cause is not explained to them, but logged."""
    if isinstance(error, TimeoutError):
        return Status(_Code.DEADLINE_EXCEEDED, "The deadline passed before there was a verdict.")
    for kind in type(error).__mro__:
        if kind in STATUS:
            code, text = STATUS[kind]
            return Status(code, text or " ".join(str(error).split()), _retry_after_sec(error))
    return Status(_Code.INTERNAL, "The gateway failed.")


def _retry_after_sec(error: BaseException) -> float | None:
    if isinstance(error, errors.GatewayBusyError):
        return error.retry_after_sec
    return _MODEL_BUSY_SEC if isinstance(error, errors.PredictorBusyError) else None
