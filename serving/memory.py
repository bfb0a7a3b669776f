"""What a long-lived process has freed goes back to the system, so that its memory says what it holds."""

import asyncio
import ctypes

EVERY_SEC = 15.0


def give_back_freed() -> None:
    """Gives back all memory that is free; with a C library that has no malloc_trim nothing is done.

    By itself glibc gives back only what is free at a heap's end: what refused uploads leave between what lives on stays
    with the process (malloc_trim(3)). It takes one or two milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


async def keep_giving_back() -> None:
    """Does so time and again, beside all else, until it is cancelled."""
    while True:
        await asyncio.sleep(EVERY_SEC)
        await asyncio.to_thread(give_back_freed)
