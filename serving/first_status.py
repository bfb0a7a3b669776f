"""How a call of grpc.aio that streams both ways ended, whatever grpc.aio says of it later.

A server may end a call while its caller still writes: because the upload is too large, or because it is busy. The write
that fails then makes grpc.aio put INTERNAL in the place of the status that had come before
(https://github.com/grpc/grpc/issues/36066), and the hint when to try again is lost with it.
"""

from collections.abc import Coroutine
from typing import Any

import grpc


class FirstStatus:
    """Keeps the first status that a call is told. Make it in the same breath as the call.

    Calls that are answered once need it not: there the server's status comes last, and stays.
    """

    def __init__(self, call: Any) -> None:
        """Listens to a call of grpc.aio."""
        self._first: tuple[grpc.StatusCode, str, grpc.aio.Metadata] | None = None
        call.add_done_callback(self._keep)

    def of(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """Returns an error of the call with the status that came first."""
        if self._first is None:
            return error
        code, details, trailing = self._first
        return grpc.aio.AioRpcError(code, error.initial_metadata(), trailing, details, error.debug_error_string())

    def _keep(self, call: Any) -> None:
        if self._first is None:
            self._first = (_at_once(call.code()), _at_once(call.details()), _at_once(call.trailing_metadata()))


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Returns what a coroutine gives that has nothing to wait for: later, another status would stand there."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise RuntimeError("A call that has ended still waits for its status.")
