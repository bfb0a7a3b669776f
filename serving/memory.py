"""What a long-lived process has freed goes back to the system, so that its memory says what it holds."""

import contextlib
import ctypes

# Of malloc.h: free memory at the heap's end above the one, and blocks above the other, go back at once.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_BYTES = 128 * 1024


def give_back_freed() -> None:
    """Holds glibc's thresholds where they begin; with another C library nothing is done.

    By itself glibc raises both with the blocks that are freed, up to 32 MiB. Chunks of uploads then lie between what
    lives on, and what they leave stays with the process (mallopt(3), "Dynamic adjustment of M_MMAP_THRESHOLD").
    """
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            mallopt(option, _BYTES)
