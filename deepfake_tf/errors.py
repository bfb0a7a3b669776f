"""Every exception that this library raises on purpose.

    DeepfakeError
      ConfigError            wrong use: an unknown name, a setting that makes no sense, a path that is not there
        AssetError           weights that cannot be found or fail their hash
        RequestError         a call to the gateway that does not keep to its protocol
          UploadTimeoutError   its video does not come on
          UnknownJobError      it asks for a job that is not there, or not any more
          KeyConflictError     it hands in another video under a key that is taken
      DataError              a manifest, a folder of videos or a shard does not hold what it must
        LeakError            two splits share a source identity
      VideoError             one video cannot be turned into clips; `outcome` says in which way
        DecodeError            it is no video, or broken
        NoFaceError            no face was found in it
        TooLargeError          more bytes or pixels than allowed
        TooLongError           longer than allowed
        VideoTimeoutError      it took longer than allowed
      WorkerError            a worker process did not bring back a result
        WorkerTimeoutError     it was stopped at its time limit
        WorkerCrashError       it died, or was stopped at its memory limit
      WorkerStartError       no worker process could be had; what it was to do is not to blame
      ServableError          an exported model whose format, signature or values are not what they must be
      TrainingError          training cannot go on, for example because the loss is not finite
      GatewayBusyError       the gateway has as much to do as it takes on; it says when to try again
      GatewayStoppingError   the gateway is being stopped and takes on nothing more
      PredictorError         the model did not answer
        PredictorUnavailableError  it cannot be reached, or is not loaded yet
        PredictorBusyError         it refuses work for now; try again later
        PredictorTimeoutError      it did not answer before the deadline

A message says what is wrong, what was expected, what was received and what to do.
"""

from typing import ClassVar


class DeepfakeError(Exception):
    """Base of all errors here; catch it to catch them all."""


class ConfigError(DeepfakeError, ValueError):
    """Wrong use: the caller can mend it by asking for something else."""


class AssetError(ConfigError):
    """Weights that cannot be found, fetched or trusted."""


class RequestError(ConfigError):
    """A call to the gateway that does not keep to its protocol, or an upload that is not what it said to be."""


class UploadTimeoutError(RequestError):
    """An upload pauses for too long, or takes too long."""


class UnknownJobError(RequestError):
    """There is no job of this name, or not any more."""


class KeyConflictError(RequestError):
    """Another video was handed in under the same idempotency key."""


class DataError(DeepfakeError):
    """A manifest, a folder of videos or a shard does not hold what it must."""


class LeakError(DataError):
    """Two splits share a source identity."""


class VideoError(DeepfakeError):
    """One video cannot be turned into clips; the others can go on.

    Attributes:
        outcome: the word for it in failures.csv and in verdicts, a value of schema.Outcome.
    """

    outcome: ClassVar[str] = "UNREADABLE"


class DecodeError(VideoError):
    """The file is no video, or too broken to decode."""


class NoFaceError(VideoError):
    """No face was found in any sampled frame."""

    outcome = "NO_FACE"


class TooLargeError(VideoError):
    """The file has more bytes, its frames more pixels, or the video more faces than allowed."""

    outcome = "TOO_LARGE"


class TooLongError(VideoError):
    """The video is longer than allowed."""

    outcome = "TOO_LONG"


class VideoTimeoutError(VideoError):
    """Extraction took longer than allowed."""

    outcome = "TIMEOUT"


class WorkerError(DeepfakeError):
    """A worker process did not bring back a result."""


class WorkerTimeoutError(WorkerError):
    """The worker was stopped at its time limit."""


class WorkerCrashError(WorkerError):
    """The worker died, or was stopped at its memory limit."""


class WorkerStartError(DeepfakeError):
    """No worker process could be had, and so nothing was tried."""


class ServableError(DeepfakeError):
    """An exported model whose format, signature or values are not what they must be."""


class TrainingError(DeepfakeError):
    """Training cannot go on."""


class GatewayBusyError(DeepfakeError):
    """The gateway has as much to do as it takes on.

    Attributes:
        retry_after_sec: when to try again.
    """

    def __init__(self, message: str, retry_after_sec: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_sec = retry_after_sec


class GatewayStoppingError(DeepfakeError):
    """The gateway is being stopped and takes on nothing more."""


class PredictorError(DeepfakeError):
    """The model did not answer, or not with what was asked for."""


class PredictorUnavailableError(PredictorError):
    """The model server cannot be reached, or the model is not loaded."""


class PredictorBusyError(PredictorError):
    """The model server refuses work for now."""


class PredictorTimeoutError(PredictorError):
    """The model server did not answer before the deadline."""
