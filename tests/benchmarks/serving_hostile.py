"""Malformed, oversized, empty, slow and crafted streams against a gateway: python -m tests.benchmarks.serving_hostile.

Each kind of attack has the gRPC statuses that it may end with; any other is a failure. Afterwards the gateway must
still judge, hold no upload, and have no more descriptors and hardly more memory than before.
"""

import argparse
import itertools
import queue
import random
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import cv2
import grpc
import numpy as np

from serving.client import Client
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from serving.upload import MAX_CHUNK_BYTES
from tests.serving import videos

_SERVICE = "/deepfake.v1.DetectionService/"
_BAD, _OK, _NONE = "INVALID_ARGUMENT", "OK", "NOT_FOUND"

Attack = Callable[[grpc.Channel, random.Random], str]


def options(**values: object) -> detection_pb2.AnalyzeRequest:
    return detection_pb2.AnalyzeRequest(options=detection_pb2.AnalyzeOptions(**values))


def chunk(data: bytes) -> detection_pb2.AnalyzeRequest:
    return detection_pb2.AnalyzeRequest(chunk=data)


def code_of(call: Callable[[], object]) -> str:
    try:
        call()
    except grpc.RpcError as error:
        return str(error.code().name)
    return _OK


def analyze(channel: grpc.Channel, *requests: object, timeout: float = 60) -> str:
    stub = detection_pb2_grpc.DetectionServiceStub(channel)
    return code_of(lambda: list(stub.Analyze(iter(requests), timeout=timeout)))


@cache
def a_video() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return videos.faceless_video(Path(folder) / "a.mp4").read_bytes()


@cache
def a_jpeg_bomb() -> bytes:
    """A JPEG of a few hundred bytes whose header says that it has 65,500 x 65,500 pixels."""
    data = bytearray(cv2.imencode(".jpg", np.zeros([8, 8, 3], np.uint8))[1].tobytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65500, 65500)
    return bytes(data)


def garbage(channel: grpc.Channel, rng: random.Random) -> str:
    method = rng.choice(["Analyze", "SubmitJob", "AnalyzeLive"])
    data = [b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f", b"\x12\x05a"]
    # A call with one answer can be read as a stream of one.
    call = channel.stream_stream(_SERVICE + method)(iter([rng.choice(data)]), timeout=20)
    return code_of(lambda: list(call))


def out_of_order(channel: grpc.Channel, rng: random.Random) -> str:
    wrong = [[], [chunk(b"x")], [options(), options()], [options(), chunk(b"")], [detection_pb2.AnalyzeRequest()]]
    return analyze(channel, *rng.choice(wrong))


def false_sizes(channel: grpc.Channel, rng: random.Random) -> str:
    size = rng.choice([-1, 0, 1, 3, 2**40, 2**62])
    return analyze(channel, options(size_bytes=size), chunk(b"xx"))


def false_names(channel: grpc.Channel, rng: random.Random) -> str:
    return analyze(
        channel, options(request_id=rng.choice(["../../x", "a b", "x" * 129, "a\nb", "\u202e"])), chunk(b"x")
    )


def oversized_chunk(channel: grpc.Channel, rng: random.Random) -> str:
    return analyze(channel, options(), chunk(bytes(MAX_CHUNK_BYTES + 1)))


def oversized_message(channel: grpc.Channel, rng: random.Random) -> str:
    return analyze(channel, options(), chunk(bytes(3 * MAX_CHUNK_BYTES)))


def no_video(channel: grpc.Channel, rng: random.Random) -> str:
    name = rng.choice(["../../../etc/passwd", "/proc/self/mem", "a\0b", "x" * 5000, "\u202egpm.exe", "; rm -rf /"])
    data = rng.choice([b"", b"\0" * 500, rng.randbytes(2000), b"RIFF" + rng.randbytes(60), b"\x1aE\xdf\xa3" * 9])
    return analyze(channel, options(name=name), *([chunk(data)] if data else []))


def changed_video(channel: grpc.Channel, rng: random.Random) -> str:
    data = bytearray(a_video())
    for _ in range(rng.randrange(1, 30)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return analyze(channel, options(), chunk(bytes(data[: rng.randrange(100, len(data))])))


def playlist(channel: grpc.Channel, rng: random.Random) -> str:
    data = rng.choice([b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"])
    return analyze(channel, options(), chunk(data))


def picture_bomb(channel: grpc.Channel, rng: random.Random) -> str:
    frame = detection_pb2.AnalyzeLiveRequest(frame=detection_pb2.LiveFrame(image=a_jpeg_bomb()))
    begin = detection_pb2.AnalyzeLiveRequest(options=detection_pb2.LiveOptions())
    stub = detection_pb2_grpc.DetectionServiceStub(channel)
    return code_of(lambda: list(stub.AnalyzeLive(iter([begin, frame, frame]), timeout=60)))


def cancelled(channel: grpc.Channel, rng: random.Random) -> str:
    data = a_video()

    def requests() -> Iterator[detection_pb2.AnalyzeRequest]:
        yield options(size_bytes=len(data))
        yield chunk(data[: len(data) // 2])
        calls.get().cancel()

    # gRPC asks for the requests on a thread of its own, perhaps before it has returned the call.
    calls: queue.SimpleQueue[grpc.Call] = queue.SimpleQueue()
    call = detection_pb2_grpc.DetectionServiceStub(channel).Analyze(requests(), timeout=20)
    calls.put(call)
    return code_of(lambda: list(call))


def slow_drip(channel: grpc.Channel, rng: random.Random) -> str:
    def requests() -> Iterator[detection_pb2.AnalyzeRequest]:
        yield options()
        for _ in range(20):
            time.sleep(0.02)
            yield chunk(b"x")

    stub = detection_pb2_grpc.DetectionServiceStub(channel)
    return code_of(lambda: list(stub.Analyze(requests(), timeout=0.2)))


def jobs_of_nobody(channel: grpc.Channel, rng: random.Random) -> str:
    stub = detection_pb2_grpc.DetectionServiceStub(channel)
    name = rng.choice(["", "x", "../..", "0" * 32, "y" * 10000])
    calls = [
        lambda: stub.GetJob(detection_pb2.GetJobRequest(job_id=name), timeout=20),
        lambda: stub.CancelJob(detection_pb2.CancelJobRequest(job_id=name), timeout=20),
        lambda: list(stub.WaitJob(detection_pb2.WaitJobRequest(job_id=name), timeout=20)),
    ]
    return code_of(rng.choice(calls))


def large_metadata(channel: grpc.Channel, rng: random.Random) -> str:
    stub = detection_pb2_grpc.DetectionServiceStub(channel)
    metadata = [("authorization", "Bearer " + "x" * 40_000)]
    return code_of(lambda: stub.GetJob(detection_pb2.GetJobRequest(job_id="x"), timeout=20, metadata=metadata))


ATTACKS: dict[Attack, set[str]] = {
    garbage: {_BAD},
    out_of_order: {_BAD},
    false_sizes: {_BAD},
    false_names: {_BAD},
    oversized_chunk: {_BAD},
    oversized_message: {"RESOURCE_EXHAUSTED"},
    no_video: {_OK},
    changed_video: {_OK},
    playlist: {_OK},
    picture_bomb: {_OK},
    cancelled: {"CANCELLED"},
    slow_drip: {"DEADLINE_EXCEEDED"},
    jobs_of_nobody: {_NONE},
    large_metadata: {"RESOURCE_EXHAUSTED"},
}
"""Each attack with the statuses that it may end with."""


def attack(target: str, num_streams: int, *, seed: int = 0, num_threads: int = 4) -> Counter[str]:
    """Attacks a gateway; returns how many streams ended with each status.

    Raises:
        AssertionError: one ended with a status that it must not.
    """
    rngs = [random.Random(seed * 1_000_003 + number) for number in range(num_streams)]
    kinds = itertools.islice(itertools.cycle(ATTACKS), num_streams)
    with grpc.insecure_channel(target) as channel, ThreadPoolExecutor(num_threads) as threads:

        def one(kind: Attack, rng: random.Random) -> str:
            code = kind(channel, rng)
            # Attackers that are many are refused as everybody is.
            assert code in ATTACKS[kind], f"{kind.__name__} ended with {code}, not with {ATTACKS[kind]}"
            return f"{kind.__name__} {code}"

        found = Counter(threads.map(one, kinds, rngs))
    broken_connections(target, max(1, num_streams // 20), random.Random(seed))
    return found


def broken_connections(target: str, num_connections: int, rng: random.Random) -> None:
    """Sends what is no HTTP/2 at all, or only its begin."""
    host, _, port = target.rpartition(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for _ in range(num_connections):
        with socket.create_connection((host, int(port)), timeout=10) as link:
            link.sendall(
                rng.choice([b"GET / HTTP/1.1\r\n\r\n", rng.randbytes(50), preface, preface + rng.randbytes(80)])
            )


def main(argv: Sequence[str] | None = None) -> int:
    from tests.benchmarks.serving_setup import served

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    with served() as servers, tempfile.TemporaryDirectory() as folder:
        good = videos.face_video(Path(folder) / "face.mp4")
        attack(servers.target, 200, seed=99)
        before = servers.memory_mib(), servers.num_files()
        found: Counter[str] = Counter()
        step = max(1, arguments.streams // 10)
        for number in range(0, arguments.streams, step):
            found += attack(servers.target, step, seed=arguments.seed + number)
            print(
                f"{number + step} streams: {servers.memory_mib():.0f} MiB, {servers.num_files()} descriptors",
                flush=True,
            )
        for what, count in sorted(found.items()):
            print(f"  {count:6d}  {what}")
        with Client(servers.target) as client:
            print(f"afterwards a good video is {client.analyze(good).verdict}")
        print(f"memory {before[0]:.0f} to {servers.memory_mib():.0f} MiB")
        print(f"descriptors {before[1]} to {servers.num_files()}")
        log = "".join(servers.gateway.log)
        print(f"uploads left: {servers.uploads()}; tracebacks in the log: {log.count('Traceback')}")
        print(log[log.index("Traceback") - 500 :][:3000] if "Traceback" in log else "")
        return int(servers.uploads() > 0 or "Traceback" in log)


if __name__ == "__main__":
    sys.exit(main())
