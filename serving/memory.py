"""The gateway keeps no more memory than it holds: few heaps, and what is freed goes back.

Each call of gRPC leaves objects that only hold themselves, and refused uploads leave holes between what lives on.
"""

import asyncio
import ctypes
import gc

from deepfake_tf import freed_memory

EVERY_SEC = 15.0

_M_ARENA_MAX = -8  # malloc.h
_NUM_HEAPS = 2


def keep_few_heaps() -> None:
    """Has threads share heaps: by itself glibc makes some eight for each core, and each keeps its busiest moment."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_ARENA_MAX, _NUM_HEAPS)


async def keep_giving_back() -> None:
    """Does so time and again, beside all else, until it is cancelled."""
    # What is there by now stays: looking through it each time would hold up calls for a tenth of a second.
    gc.collect()
    gc.freeze()
    while True:
        await asyncio.sleep(EVERY_SEC)
        await asyncio.to_thread(freed_memory.give_back)
