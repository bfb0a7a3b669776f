"""What every call to a gateway shares: where it is, who asks, what an error means, and when to try again."""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format

from deepfake_tf import schema
from deepfake_tf.errors import ConfigError
from deepfake_tf.judging.verdict import Verdict
from serving.protos.deepfake.v1 import detection_pb2
from serving.status import RETRY_KEY
from serving.upload import GO_ON_KEY

DEFAULT_TARGET = f"localhost:{schema.GATEWAY_PORT}"
DEFAULT_DEADLINE_SEC = 900.0
DEFAULT_RETRIES = 5

_LET_IN_SEC = 10.0
_FIRST_PAUSE_SEC, _LONGEST_PAUSE_SEC = 0.5, 15.0
_CHANNEL_OPTIONS = [
    # Verdicts on long videos; the gateway's own messages are bounded.
    ("grpc.max_receive_message_length", 64 * 1024**2),
    # A gateway that has gone without a word is found out.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]


class CallError(Exception):
    """A call that ended without a verdict.

    Attributes:
        code: the gRPC status.
        retry_after_sec: when the gateway says to try again; None if it does not.
    """

    def __init__(self, code: grpc.StatusCode, message: str, retry_after_sec: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after_sec = retry_after_sec


@dataclass(frozen=True)
class Link:
    """Where a gateway is and who asks it.

    Attributes:
        target: its host:port.
        token: for a gateway that wants one.
        credentials: for TLS; None for a plain link.
    """

    target: str = DEFAULT_TARGET
    token: str = field(default="", repr=False)
    credentials: grpc.ChannelCredentials | None = field(default=None, repr=False)

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """What goes with each call."""
        return [("authorization", f"Bearer {self.token}")] if self.token else []

    def open(self) -> grpc.aio.Channel:
        """Opens a channel, on the running event loop."""
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.target, options=_CHANNEL_OPTIONS)
        return grpc.aio.secure_channel(self.target, self.credentials, options=_CHANNEL_OPTIONS)

    def error(self, error: grpc.aio.AioRpcError) -> CallError:
        """Returns what an error of gRPC means."""
        message = error.details() or "no details"
        if message.startswith("failed to connect"):
            message = f"no gateway answers at {self.target}. Is it running, and is the address right?"
        hints = [value for key, value in error.trailing_metadata() or () if key == RETRY_KEY]
        known = bool(hints) and str(hints[0]).isdigit()
        return CallError(error.code(), message, int(hints[0]) / 1000 if known else None)


async def is_let_in(call: Any) -> bool:
    """Waits until a gateway awaits the upload of a call, or has ended the call; returns whether it does await it.

    So nothing is sent in vain.

    Args:
        call: of grpc.aio, whose first message was sent.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LET_IN_SEC):
            if GO_ON_KEY in {key for key, _ in await call.initial_metadata()}:
                return True
            await call.code()
            return False
    # Something on the way keeps the metadata back.
    return not call.done()


class Patience:
    """How long one video is tried for.

    A gateway that is busy and says when to come again is asked again as long as there is time; one that cannot be
    reached, a few times.
    """

    def __init__(self, *, deadline_sec: float, retries: int) -> None:
        self._end = time.monotonic() + deadline_sec
        self._retries = retries
        self._num_failures = 0

    @property
    def left_sec(self) -> float:
        """Until the deadline; never quite 0, which gRPC would take for no deadline."""
        return max(0.001, self._end - time.monotonic())

    def pause_sec(self, error: CallError) -> float | None:
        """Returns how long to wait before another try, None for no more tries."""
        if error.code == grpc.StatusCode.RESOURCE_EXHAUSTED and error.retry_after_sec is not None:
            # Those who were told the same do not all come at once.
            pause = error.retry_after_sec * random.uniform(1.0, 1.5)
        elif error.code == grpc.StatusCode.UNAVAILABLE and self._num_failures < self._retries:
            pause = min(_FIRST_PAUSE_SEC * 2**self._num_failures, _LONGEST_PAUSE_SEC) * random.uniform(0.7, 1.0)
            self._num_failures += 1
        else:
            return None
        return pause if pause < self.left_sec else None


def read_token(path: Path) -> str:
    """Returns the token of a file: its first line that is neither empty nor begins with #.

    Raises:
        ConfigError: it cannot be read, or there is none.
    """
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the token in {path}: {error}") from error
    tokens = [line for line in lines if line and not line.startswith("#")]
    if not tokens or not tokens[0].isascii():
        raise ConfigError(f"There is no token in {path}: expected a line of ASCII characters.")
    return tokens[0]


def from_message(message: detection_pb2.Verdict) -> Verdict:
    """Returns the verdict of a message.

    Raises:
        CallError: it says something that this release does not know.
    """
    try:
        return Verdict.from_json(json_format.MessageToDict(message))
    except ValueError as error:
        raise CallError(grpc.StatusCode.INTERNAL, str(error)) from error
