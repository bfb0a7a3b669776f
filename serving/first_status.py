"""How a call of grpc.aio that streams up ended, whatever grpc.aio says of it later.

A server may end a call while its caller still writes: because the upload is too large, or because it is busy. The write
that fails then makes grpc.aio put a status of its own in the place of the one that had come
(https://github.com/grpc/grpc/issues/36066), and the hint when to try again is lost with it. Where the answer is a
stream, that is the rule. Where it is one message, the server's status comes second as a rule, but first once in a
hundred calls.
"""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

_OWN_DETAILS = "Internal error from Core"


@contextmanager
def first_status(call: Any) -> Iterator[None]:
    """Gives an error of a call the status that the call was told first, unless grpc.aio had made that one up.

    Enter it in the same breath as the call is made, and wait for the call inside.

    Raises:
        grpc.aio.AioRpcError: the call failed.
    """
    told: list[tuple[grpc.StatusCode, str, grpc.aio.Metadata]] = []
    call.add_done_callback(lambda call: told.append(_status_of(call)))
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if not told or told[0][1] == _OWN_DETAILS:
            raise
        code, details, trailing = told[0]
        raise grpc.aio.AioRpcError(
            code, error.initial_metadata(), trailing, details, error.debug_error_string()
        ) from error


def _status_of(call: Any) -> tuple[grpc.StatusCode, str, grpc.aio.Metadata]:
    return _at_once(call.code()), _at_once(call.details()), _at_once(call.trailing_metadata())


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Returns what a coroutine gives that has nothing to wait for: later, another status would stand there."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise RuntimeError("A call that has ended still waits for its status.")
