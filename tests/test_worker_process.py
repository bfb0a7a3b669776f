"""What a worker keeps of the tasks that it has done: nothing."""

import ctypes
import gc
import os
import time
import weakref
from pathlib import Path
from typing import ClassVar

import pytest

from deepfake_tf.workers import WorkerPool


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(1) as one:
        yield one


# Tasks; a worker imports them from here.

HOLES_ARE_BETWEEN = []


class Circle:
    """Holds itself."""

    left: ClassVar[list["weakref.ref[Circle]"]] = []

    def __init__(self):
        self.next = self


def leave_a_circle():
    # What Python would do by itself at some time is not what is tested.
    gc.disable()
    Circle.left.append(weakref.ref(Circle()))


def num_circles():
    return sum(one() is not None for one in Circle.left)


def leave_holes():
    """Frees 48 MiB, of which nothing lies at a heap's end. Large ones would lie by themselves, and go back so."""
    chunks = []
    for _ in range(1000):
        chunks.append(bytearray(50_000))
        HOLES_ARE_BETWEEN.append(bytearray(2000))
    return resident_mib()


def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_circles_of_objects_are_freed_after_each_task(pool):
    for _ in range(3):
        pool.submit(leave_a_circle).result()
        assert pool.submit(num_circles).result() == 0


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library has no malloc_trim")
def test_what_a_task_has_freed_goes_back_to_the_system_when_the_worker_rests(pool):
    most = pool.submit(leave_holes).result()
    time.sleep(1)
    assert pool.submit(resident_mib).result() < most - 36
