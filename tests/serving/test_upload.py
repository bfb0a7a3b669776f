"""Reading the messages of a call."""

import asyncio
import contextlib
import gc

from serving import upload


def test_a_message_on_the_way_is_read_to_its_end_though_nobody_waits_for_it():
    taken = []

    async def messages(arrived):
        taken.append(await arrived)
        yield taken[0]

    async def caller_goes():
        arrived = asyncio.get_running_loop().create_future()
        handler = asyncio.ensure_future(anext(upload.readable(messages(arrived))))
        await asyncio.sleep(0.01)
        handler.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await handler
        arrived.set_result("message")
        await asyncio.sleep(0.01)

    asyncio.run(caller_goes())
    assert taken == ["message"]


def test_nobody_asks_how_a_message_ended_that_nobody_waits_for():
    said = []

    async def messages(arrived):
        yield await arrived

    async def caller_goes():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context["message"]))
        arrived = asyncio.get_running_loop().create_future()
        handler = asyncio.ensure_future(anext(upload.readable(messages(arrived))))
        await asyncio.sleep(0.01)
        handler.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await handler
        arrived.set_exception(OSError("the connection is gone"))
        await asyncio.sleep(0.01)
        del arrived, handler
        gc.collect()

    asyncio.run(caller_goes())
    assert said == []
