"""Memory for batches that is used again.

A fresh array of some megabytes costs as much time as a tenth of decoding what goes into it: the system hands out every
page zeroed. TensorFlow takes an array without copying it if it begins at a multiple of 64 bytes, and lets go of it when
the tensor is no longer used; only then does its memory come back here.
"""

import mmap
import threading
import weakref
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray


class BatchBuffers:
    """Hands out arrays; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[int, list[mmap.mmap]] = defaultdict(list)

    def take(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Returns an array with whatever content, uint8; its memory is used again once nobody holds the array."""
        num_bytes = int(np.prod(shape))
        with self._lock:
            free = self._free[num_bytes]
            # Memory from the system begins at a page. It is no array, so that views of the array hold the array.
            memory = free.pop() if free else mmap.mmap(-1, num_bytes)
        array: NDArray[np.uint8] = np.ndarray(shape, np.uint8, buffer=memory)
        # To append to a list needs no lock, which the collector might otherwise ask for in the thread that has it.
        weakref.finalize(array, free.append, memory).atexit = False
        return array
