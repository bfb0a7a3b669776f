"""Videos that are too large or too long, refused while they are still being sent where their header tells."""

import time
from fractions import Fraction

import av
import grpc
import numpy as np
import pytest

from deepfake_tf.errors import TooLargeError, TooLongError
from deepfake_tf.schema import Limits
from serving import early_look
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from tests.serving.in_process import GatewayThread, StubPredictor

LENGTH_SEC, FPS, WIDTH, HEIGHT = 4.0, 10, 160, 96
SHORT = Limits(max_duration_sec=LENGTH_SEC / 2)
SMALL = Limits(max_pixels=WIDTH * HEIGHT - 1)
FITS = Limits(max_duration_sec=LENGTH_SEC, max_pixels=WIDTH * HEIGHT)

KINDS = {
    "first.mp4": ("mpeg4", {"movflags": "faststart"}),
    "last.mp4": ("mpeg4", {}),
    "a.webm": ("libvpx", {}),
    "a.mkv": ("mpeg4", {}),
    "a.ts": ("mpeg2video", {}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A video of noise in each kind of file."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, [8, HEIGHT, WIDTH, 3], np.uint8)
    for name, (codec, options) in KINDS.items():
        with av.open(str(folder / name), "w", options=options) as container:
            # MPEG-2 knows certain rates only.
            fps = 25 if name == "a.ts" else FPS
            stream = container.add_stream(codec, rate=Fraction(fps))
            stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", 400_000
            for number in range(round(LENGTH_SEC * fps)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pictures[number % 8], "rgb24")))
            container.mux(stream.encode())
    return folder


def part(path, share, folder):
    data = path.read_bytes()
    found = folder / f"part{path.suffix}"
    found.write_bytes(data[: int(len(data) * share)])
    return str(found)


@pytest.mark.parametrize("name", ["first.mp4", "a.webm", "a.mkv"])
def test_a_header_that_comes_first_tells_size_and_length(made, tmp_path, name):
    head = part(made / name, 0.2, tmp_path)
    with pytest.raises(TooLongError, match="is at least 4 s long; at most 2 s are allowed"):
        early_look.look(head, SHORT)
    with pytest.raises(TooLargeError, match="160 x 96"):
        early_look.look(head, SMALL)
    early_look.look(head, FITS)


def test_a_stream_without_a_header_tells_how_long_it_is_so_far(made, tmp_path):
    early_look.look(part(made / "a.ts", 0.3, tmp_path), SHORT)
    with pytest.raises(TooLongError):
        early_look.look(part(made / "a.ts", 0.8, tmp_path), SHORT)
    with pytest.raises(TooLargeError):
        early_look.look(part(made / "a.ts", 0.3, tmp_path), SMALL)


def test_what_tells_nothing_yet_or_is_no_video_is_let_through(made, tmp_path):
    early_look.look(part(made / "last.mp4", 0.9, tmp_path), SMALL)
    for data in (b"", b"no video" * 500):
        (tmp_path / "other").write_bytes(data)
        early_look.look(str(tmp_path / "other"), SMALL)


def send(gateway, data, *, method="Analyze"):
    """Sends half of a file and goes on byte by byte; returns the code, the words, and how much was sent by then."""
    request = {"Analyze": detection_pb2.AnalyzeRequest, "SubmitJob": detection_pb2.SubmitJobRequest}[method]
    options = {"Analyze": detection_pb2.AnalyzeOptions, "SubmitJob": detection_pb2.JobOptions}[method]
    num_sent = len(data) // 2

    def requests():
        nonlocal num_sent
        yield request(options=options())
        yield request(chunk=data[:num_sent])
        while num_sent < len(data):
            time.sleep(0.02)
            num_sent += 1
            yield request(chunk=data[num_sent - 1 : num_sent])

    with grpc.insecure_channel(gateway.target) as channel:
        # A call with one answer can be read as a stream of one.
        call = channel.stream_stream(f"/deepfake.v1.DetectionService/{method}", request.SerializeToString)
        answers = call(requests(), timeout=60)
        with pytest.raises(grpc.RpcError) as caught:
            list(answers)
    return caught.value.code(), caught.value.details(), num_sent


@pytest.mark.slow
def test_the_caller_is_told_while_it_still_sends(made, pool, tmp_path, monkeypatch):
    monkeypatch.setattr(early_look, "FIRST_BYTES", 1000)
    too_long = (grpc.StatusCode.INVALID_ARGUMENT, "The video is at least 4 s long; at most 2 s are allowed.")
    gateway = GatewayThread(StubPredictor(), pool, tmp_path, limits=SHORT)
    try:
        for name, method in [("first.mp4", "Analyze"), ("first.mp4", "SubmitJob"), ("a.webm", "Analyze")]:
            data = (made / name).read_bytes()
            *refusal, num_sent = send(gateway, data, method=method)
            assert tuple(refusal) == too_long
            assert num_sent < len(data)
        # A header that comes last is known at the end: then there is a verdict.
        with grpc.insecure_channel(gateway.target) as channel:
            stub = detection_pb2_grpc.DetectionServiceStub(channel)
            data = (made / "last.mp4").read_bytes()
            requests = [
                detection_pb2.AnalyzeRequest(options=detection_pb2.AnalyzeOptions()),
                *(detection_pb2.AnalyzeRequest(chunk=data[at : at + 20_000]) for at in range(0, len(data), 20_000)),
            ]
            *_, last = stub.Analyze(iter(requests), timeout=60)
        assert detection_pb2.Outcome.Value.Name(last.verdict.outcome) == "TOO_LONG"
    finally:
        gateway.close()
