"""Reading the messages of a call."""

import asyncio
import contextlib
import gc

from serving import upload


def read_by_nobody(arrive):
    """Has a message come whose reader is gone; returns what was read, and what the event loop complained of."""
    taken, said = [], []

    async def messages(arrived):
        taken.append(await arrived)
        yield taken[0]

    async def caller_goes():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: said.append(context["message"]))
        arrived = loop.create_future()
        handler = asyncio.ensure_future(anext(upload.readable(messages(arrived))))
        await asyncio.sleep(0.01)
        handler.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await handler
        arrive(arrived)
        await asyncio.sleep(0.01)
        del arrived, handler
        gc.collect()

    asyncio.run(caller_goes())
    return taken, said


def test_a_message_on_the_way_is_read_to_its_end_though_nobody_waits_for_it():
    assert read_by_nobody(lambda arrived: arrived.set_result("message")) == (["message"], [])


def test_nobody_asks_how_a_message_ended_that_nobody_waits_for():
    assert read_by_nobody(lambda arrived: arrived.set_exception(OSError("the connection is gone"))) == ([], [])
