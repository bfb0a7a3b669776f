"""What is freed goes back, as the kernel counts it."""

import ctypes
import subprocess
import sys

import pytest

from tests.serving.processes import ROOT

# Chunks, each with something that stays behind it: large ones would lie by themselves, and go back by themselves.
CODE = """
import asyncio, sys
from serving import memory

memory.EVERY_SEC = 0.05 if sys.argv[1] == "given back" else 60

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

async def main():
    giving_back = asyncio.create_task(memory.keep_giving_back())
    before = resident()
    chunks, staying = [], []
    for _ in range(1000):
        chunks.append(bytearray(50_000))
        staying.append(bytearray(2000))
    chunks.clear()
    await asyncio.sleep(0.2)
    print((resident() - before) / 2**20)
    giving_back.cancel()

asyncio.run(main())
"""


def mib_left(how):
    done = subprocess.run([sys.executable, "-c", CODE, how], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library has no malloc_trim")
def test_freed_chunks_go_back_to_the_system():
    assert mib_left("given back") < 12
    # Without it nearly all of 48 stay, or this would show nothing.
    assert mib_left("left alone") > 30
