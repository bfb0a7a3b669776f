"""What is freed goes back, as the kernel counts it."""

import ctypes
import subprocess
import sys

import pytest

from tests.serving.processes import ROOT

# A block that is freed raises glibc's thresholds; then chunks, each with something that stays behind it.
CODE = """
import sys
from serving import memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

if sys.argv[1] == "given back":
    memory.give_back_freed()
block = bytearray(16 * 2**20)
del block
before = resident()
chunks, staying = [], []
for _ in range(200):
    chunks.append(bytearray(2**18))
    staying.append(bytearray(2000))
chunks.clear()
print((resident() - before) / 2**20)
"""


def mib_left(how):
    done = subprocess.run([sys.executable, "-c", CODE, how], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no mallopt")
def test_freed_chunks_go_back_to_the_system():
    assert mib_left("given back") < 3
    # Without it all fifty stay, or this would show nothing.
    assert mib_left("left alone") > 30
