"""What is freed goes back, as the kernel counts it."""

import ctypes
import subprocess
import sys

import pytest

from tests.serving.processes import ROOT

# Chunks, each with something that stays behind it: large ones would lie by themselves, and go back by themselves.
CHUNKS = """
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


def printed(code, how):
    done = subprocess.run([sys.executable, "-c", code, how], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library has no malloc_trim")
def test_freed_chunks_go_back_to_the_system():
    assert printed(CHUNKS, "given back") < 12
    # Without it nearly all of 48 stay, or this would show nothing.
    assert printed(CHUNKS, "left alone") > 30


# A heap that is not the first begins at a multiple of 64 MiB (HEAP_MAX_SIZE of glibc on 64 bits).
HEAPS = """
import re, sys, threading
from serving import memory

if sys.argv[1] == "few":
    memory.keep_few_heaps()
everyone = threading.Barrier(13)

def work():
    kept = [bytearray(2000) for _ in range(100)]
    everyone.wait()
    everyone.wait()

threads = [threading.Thread(target=work) for _ in range(12)]
for one in threads:
    one.start()
everyone.wait()
with open("/proc/self/maps") as file:
    begins = [int(begin, 16) for begin in re.findall(r"^(\\w+)-\\w+ rw-p 0+ 00:00 0 *$", file.read(), re.MULTILINE)]
everyone.wait()
print(sum(begin % 2**26 == 0 for begin in begins))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no mallopt")
def test_threads_share_heaps():
    assert printed(HEAPS, "few") <= 2
    assert printed(HEAPS, "left alone") > 4
