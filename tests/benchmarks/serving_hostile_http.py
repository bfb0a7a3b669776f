"""Sends requests that are nearly right to the page's port: none may hurt it.

python -m tests.benchmarks.serving_hostile_http [--requests 10000]

Each is a good request with a few bytes changed, taken out or put in, sent to a web part before a gateway that says yes
to everything. What is counted: statuses, open files and memory before and after, and lines of log. It ends with 1 if an
answer blames the gateway (a status of 500 or more), if a file stays open, or if something was logged.
"""

import argparse
import gc
import logging
import os
import random
import socket
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.serving.web.running import WebThread, job, verdict_event


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: localhost", *headers, b"", body])


SEEDS = (
    request(b"POST /v1/videos:analyze?name=x", b"Content-Type: video/mp4", b"Content-Length: 20", body=b"v" * 20),
    request(
        b"POST /v1/jobs?timeToLive=9s",
        b"Transfer-Encoding: chunked",
        b"Idempotency-Key: k",
        body=b"5\r\nabcde\r\n0\r\n\r\n",
    ),
    request(b"GET /v1/jobs/j:wait", b"Accept: application/x-ndjson", b"Authorization: Bearer x"),
    request(b"GET /../../etc/passwd", b"Origin: http://localhost"),
)
NUM_THREADS = 16
BATCH = 500
WAIT_SEC = 0.3


def mutated(rng: random.Random) -> bytes:
    """A good request with one to six places changed."""
    data = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1 and len(data) > 20:
            del data[at : at + rng.randint(1, 9)]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 20))
        else:
            data[at:at] = data[: rng.randint(1, 40)]
    return bytes(data)


def send(port: int, seed: int) -> str:
    """Sends one; returns the status, or what else became of it."""
    rng = random.Random(seed)
    data = mutated(rng)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(data)
            if rng.random() < 0.5:
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(WAIT_SEC)
            answer = connection.recv(100)
    except OSError as error:
        return type(error).__name__
    return answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/") else "closed"


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(f"{record.getMessage()} {record.exc_info}")


def num_open() -> int:
    return len(os.listdir("/proc/self/fd"))


def memory_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    num_requests = parser.parse_args().requests
    records = Records()
    logging.getLogger("serving").addHandler(records)
    web = WebThread()
    web.gateway.events, web.gateway.jobs = [verdict_event()], [job("DONE")]
    try:
        with ThreadPoolExecutor(NUM_THREADS) as threads:
            list(threads.map(lambda seed: send(web.port, seed), range(-NUM_THREADS, 0)))
            before, memory, begin = num_open(), memory_mib(), time.monotonic()
            found: Counter[str] = Counter()
            for first in range(0, num_requests, BATCH):
                seeds = range(first, min(first + BATCH, num_requests))
                found.update(threads.map(lambda seed: send(web.port, seed), seeds))
        took = time.monotonic() - begin
        time.sleep(1)
        gc.collect()
        after = num_open()
        is_well = web.ask("GET", "/v1/limits").status == 200
    finally:
        web.close()
    print(f"{num_requests} requests in {took:.1f} s: {dict(found.most_common())}")
    print(f"open files {before} -> {after}, memory {memory:.0f} -> {memory_mib():.0f} MiB")
    print(f"lines of log: {len(records.lines)}", *records.lines[:5], sep="\n  ")
    blames = sum(count for status, count in found.items() if status.isdecimal() and int(status) >= 500)
    return 0 if is_well and not blames and after <= before and not records.lines else 1


if __name__ == "__main__":
    sys.exit(main())
