"""What native libraries write to stderr, past Python: dozens of lines about themselves as they load."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Sends what the process writes to stderr to nowhere for a while; keep the while short, other threads' goes too.

    An exception passes through, so nothing that matters is lost.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def load_tensorflow() -> None:
    """Imports TensorFlow and wakes its devices, which is when it writes most, whatever its log level says."""
    if "tensorflow" in sys.modules:
        return
    with silenced():
        import tensorflow as tf

        tf.constant(0)
