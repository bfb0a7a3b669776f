"""What a long-lived process has freed goes back to the system, so that its memory says what it holds.

glibc's ways to that; with another C library nothing is done.
"""

import asyncio
import ctypes
import gc

EVERY_SEC = 15.0

_M_ARENA_MAX = -8  # malloc.h
_NUM_HEAPS = 2


def keep_few_heaps() -> None:
    """Has threads share heaps: by itself glibc makes some eight for each core, and each keeps its busiest moment."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, _NUM_HEAPS)


def give_back_freed() -> None:
    """Frees what only holds itself and gives back all memory that is free, which takes some milliseconds.

    By itself Python looks for such circles when much else has been made since, minutes later, and each call of gRPC
    leaves one; and glibc gives back only what is free at a heap's end: what refused uploads leave between what lives on
    stays with the process (malloc_trim(3)).
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


async def keep_giving_back() -> None:
    """Does so time and again, beside all else, until it is cancelled."""
    # What is there by now stays: looking through it each time would hold up calls for a tenth of a second.
    gc.collect()
    gc.freeze()
    while True:
        await asyncio.sleep(EVERY_SEC)
        await asyncio.to_thread(give_back_freed)
