"""What a long-lived process has freed goes back to the system, so that its memory says what it holds.

glibc's way to that; with another C library what Python has freed is all that goes.
"""

import ctypes
import gc


def give_back() -> None:
    """Frees what only holds itself and gives back all memory that is free, which takes some milliseconds.

    By itself Python looks for such circles when much else has been made since, minutes later; and glibc gives back only
    what is free at a heap's end: what lies between what lives on stays with the process (malloc_trim(3)).
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
