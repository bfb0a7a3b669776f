"""What is freed, as Python counts it. As the kernel does: tests/serving/test_memory.py and tests/test_workers.py."""

import gc
import weakref

from deepfake_tf import freed_memory


class Circle:
    def __init__(self):
        self.me = self


def test_what_only_holds_itself_is_freed():
    gc.disable()
    try:
        left = weakref.ref(Circle())
        assert left() is not None
        freed_memory.give_back()
        assert left() is None
    finally:
        gc.enable()
