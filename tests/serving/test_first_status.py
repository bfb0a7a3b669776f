"""Which of the two statuses a failed call is known by; the calls themselves are those of the clients' tests."""

import grpc
import pytest

from serving.first_status import first_status

BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED, "Too much to do.", grpc.aio.Metadata(("grpc-retry-pushback-ms", "2500")))
# What grpc.aio says when a write of its own fails.
OWN = (grpc.StatusCode.INTERNAL, "Internal error from Core", grpc.aio.Metadata())
FAILED = (grpc.StatusCode.INTERNAL, "The gateway failed.", grpc.aio.Metadata())


class Call:
    """A call that is told one status, and raises another."""

    def __init__(self, told, raised):
        self.told, self.raised, self.listeners = told, raised, []

    def add_done_callback(self, listener):
        self.listeners.append(listener)

    async def code(self):
        return self.told[0]

    async def details(self):
        return self.told[1]

    async def trailing_metadata(self):
        return self.told[2]

    def end(self):
        if self.told is not None:
            for listener in self.listeners:
                listener(self)
        code, details, trailing = self.raised
        raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details)


@pytest.mark.parametrize(
    ("told", "raised", "known_by"),
    [
        pytest.param(BUSY, BUSY, BUSY, id="only the server's"),
        pytest.param(BUSY, OWN, BUSY, id="the server's, then grpc.aio's own"),
        pytest.param(OWN, BUSY, BUSY, id="grpc.aio's own, then the server's"),
        pytest.param(OWN, OWN, OWN, id="only grpc.aio's own"),
        pytest.param(FAILED, OWN, FAILED, id="an INTERNAL of the server"),
        pytest.param(None, BUSY, BUSY, id="none was told"),
    ],
)
def test_a_call_is_known_by_the_servers_status(told, raised, known_by):
    call = Call(told, raised)
    with pytest.raises(grpc.aio.AioRpcError) as failed, first_status(call):
        call.end()
    assert (failed.value.code(), failed.value.details(), failed.value.trailing_metadata()) == known_by


def test_what_is_no_failed_call_goes_through():
    with pytest.raises(KeyError), first_status(Call(BUSY, BUSY)):
        raise KeyError
