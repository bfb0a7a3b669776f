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
    errors.ServableError: (_Code.FAILED_PRECONDITION, "The gateway cannot work with the model that is served."),
    errors.TrainingError: (_Code.INTERNAL, "The gateway failed."),
    errors.PredictorError: (_Code.INTERNAL, "The model failed."),
    errors.PredictorUnavailableError: (_Code.UNAVAILABLE, "The model cannot be reached for now. Try again later."),
    errors.PredictorBusyError: (_Code.RESOURCE_EXHAUSTED, "The model is busy. Try again later."),
    errors.PredictorTimeoutError: (_Code.DEADLINE_EXCEEDED, "The model did not answer in time."),
}


@dataclass(frozen=True)
class Status:
    """How a call ends that has no verdict."""

    code: grpc.StatusCode
    message: str


def of(error: BaseException) -> Status:
    """Returns how a call ends on an error. What the caller did not cause is not explained to them, but logged."""
    if isinstance(error, TimeoutError):
        return Status(_Code.DEADLINE_EXCEEDED, "The deadline passed before there was a verdict.")
    for kind in type(error).__mro__:
        if kind in STATUS:
            code, text = STATUS[kind]
            return Status(code, text or " ".join(str(error).split()))
    return Status(_Code.INTERNAL, "The gateway failed.")
