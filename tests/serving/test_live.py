"""Live streams: the same clips, joining and calibration as for a video, bounded, and deaf to hostile pictures."""

import asyncio
import json
import queue

import cv2
import grpc
import numpy as np
import pytest
from google.protobuf import json_format

from deepfake_tf import jpeg_stream
from deepfake_tf.extraction import extract
from deepfake_tf.judging import verdict
from deepfake_tf.schema import Limits, Outcome
from serving import live
from serving.async_client import AsyncClient
from serving.link import CallError
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc
from serving.upload import MAX_CHUNK_BYTES
from tests import servables
from tests.serving import videos
from tests.serving.in_process import GatewayThread, StubPredictor

CODES = grpc.StatusCode
SPEC = servables.CLIP_SPEC


class Brightness(StubPredictor):
    """A model whose logit is how bright a clip's first crop is, about -1 to 1."""

    def predict(self, clips, mask, *, spec, deadline_sec=60.0):
        super().predict(clips, mask, spec=spec)
        first = [cv2.imdecode(np.frombuffer(clip[0], np.uint8), cv2.IMREAD_GRAYSCALE) for clip in clips]
        return np.asarray([picture.mean() / 128 - 1 for picture in first], np.float32)


@pytest.fixture(scope="module")
def predictor():
    return Brightness()


@pytest.fixture(scope="module")
def target(predictor, pool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uploads")
    gateway = GatewayThread(predictor, pool, folder, limits=Limits(max_pixels=10**6), max_live=1)
    yield gateway.target
    gateway.close()


@pytest.fixture(scope="module")
def stub(target):
    with grpc.insecure_channel(target) as channel:
        yield detection_pb2_grpc.DetectionServiceStub(channel)


@pytest.fixture(scope="module")
def pictures():
    """Twelve frames of a face, as JPEG files."""
    from skimage.data import astronaut

    portrait = cv2.cvtColor(astronaut()[:256], cv2.COLOR_RGB2BGR)
    return [cv2.imencode(".jpg", portrait[:, 80 + n : 336 + n])[1].tobytes() for n in range(12)]


def options(**values):
    return detection_pb2.AnalyzeLiveRequest(options=detection_pb2.LiveOptions(**values))


def frame(image, time_us=None):
    return detection_pb2.AnalyzeLiveRequest(frame=detection_pb2.LiveFrame(image=image, timestamp_us=time_us))


def segment(data):
    return detection_pb2.AnalyzeLiveRequest(segment=data)


def run(stub, *requests):
    return list(stub.AnalyzeLive(iter(requests), timeout=60))


def refused(stub, *requests):
    with pytest.raises(grpc.RpcError) as caught:
        run(stub, *requests)
    return caught.value.code(), caught.value.details()


def name_of(event):
    return detection_pb2.Verdict.Answer.Name(event.verdict.verdict)


def test_pictures_become_the_clips_that_they_become_in_a_video(pictures):
    found = jpeg_stream.extract_pictures(pictures, [n * 83_000 for n in range(12)], SPEC, Limits())
    assert (found.outcome, found.coverage) == (Outcome.OK, 1.0)
    assert [clip.timestamps_us.tolist() for clip in found.clips] == [
        [n * 83_000 for n in clip.frame_indices] for clip in found.clips
    ]


def test_a_rolling_verdict_rests_on_the_newest_pieces_as_a_videos_does(stub, predictor, pictures):
    predictor.seen_clips.clear()
    times = [1_000_000 + n * 100_000 for n in range(12)]
    events = run(stub, options(request_id="r-1"), *map(frame, pictures, times))
    # Pieces of three pictures; a verdict after each, on the newest two.
    assert [round(event.until_sec, 1) for event in events] == [1.2, 1.5, 1.8, 2.1]
    assert [len(event.verdict.tracks) for event in events] == [1, 1, 1, 1]
    assert [len(event.verdict.tracks[0].clips) for event in events] == [1, 2, 2, 2]
    last = events[-1].verdict
    assert last.request_id == "r-1"
    assert [round(clip.start_sec, 1) for clip in last.tracks[0].clips] == [1.6, 1.9]
    logits = Brightness().predict(predictor.seen_clips[-2:], np.ones([2, 3], bool), spec=None)
    logit, _ = verdict.join(logits, [0, 0], servables.SPEC.joining)
    assert last.score == pytest.approx(verdict.score(logit, servables.SPEC.calibration), abs=1e-6)


def test_the_client_sends_pictures_as_they_come_and_hears_why_it_ended(target, pictures):
    async def film(times):
        async def filmed():
            for picture, time_us in zip(pictures, times, strict=False):
                yield picture, time_us

        async with AsyncClient(target) as client:
            return [(until, found.request_id) async for until, found in client.live(filmed(), request_id="r-2")]

    assert asyncio.run(film(range(0, 600_000, 100_000))) == [(0.2, "r-2"), (0.5, "r-2")]
    with pytest.raises(CallError, match="must rise from 0"):
        asyncio.run(film([5, 5, 5]))


def test_what_is_left_at_the_end_is_judged(stub, pictures):
    events = run(stub, options(), *map(frame, pictures[:4]))
    assert [round(event.until_sec, 2) for event in events] == [0.08, 0.12]
    assert run(stub, options()) == []


def test_segments_are_extracted_as_videos_and_follow_on_each_other(stub, predictor, tmp_path):
    path = videos.face_video(tmp_path / "face.mp4")
    predictor.seen_clips.clear()
    events = run(stub, options(), segment(path.read_bytes()), segment(path.read_bytes()))
    assert [round(event.until_sec, 1) for event in events] == [1.0, 2.0]
    expected = [clip.crops for clip in extract(path, SPEC).clips]
    assert [tuple(clip) for clip in predictor.seen_clips] == expected * 2
    starts = [clip.start_sec for clip in events[-1].verdict.tracks[0].clips]
    assert starts[2:] == pytest.approx([start + 1 for start in starts[:2]])


def large_jpeg(side):
    return cv2.imencode(".jpg", np.zeros([side, side, 3], np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    "images",
    [
        [b"no picture"] * 3,
        [b"\xff\xd8\xff" + bytes(500)] * 3,
        [large_jpeg(2000)] * 3,
    ],
)
def test_hostile_pictures_are_unreadable_and_those_after_them_are_judged(stub, pictures, images):
    events = run(stub, options(), *map(frame, [*images, *pictures[:3]]))
    assert name_of(events[0]) == "UNREADABLE"
    assert "/" not in events[0].verdict.reason
    assert events[0].verdict.reason
    assert name_of(events[1]) not in ("UNREADABLE", "NO_FACE")
    assert events[1].verdict.coverage == 1.0


def test_a_picture_cut_short_costs_itself_at_most(stub, pictures):
    events = run(stub, options(), *map(frame, [pictures[0], pictures[1][:2000], pictures[2]]))
    assert len(events) == 1


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([], "first message must hold options"),
        ([frame(b"x")], "first message must hold options"),
        ([options(request_id="a b")], "request_id must be"),
        ([options(), options()], "must hold a frame or a segment"),
        ([options(), frame(b"")], "must hold a JPEG file"),
        ([options(), frame(b"x", 5), frame(b"x", 5)], "must rise from 0. Received: 5 after 5"),
        ([options(), frame(b"x", -1)], "must rise from 0. Received: -1 after -1"),
        ([options(), frame(b"x", 2**62)], "must rise from 0"),
        ([options(), frame(b"x"), segment(b"x")], "not of both"),
    ],
)
def test_a_stream_that_breaks_the_protocol_is_told_what_is_wrong(stub, requests, message):
    code, told = refused(stub, *requests)
    assert (code, message in told) == (CODES.INVALID_ARGUMENT, True), told


def test_the_pictures_of_a_clip_are_bounded(stub, monkeypatch):
    monkeypatch.setattr(live, "MAX_PIECE_BYTES", MAX_CHUNK_BYTES)
    code, told = refused(stub, options(), frame(bytes(MAX_CHUNK_BYTES)), frame(b"x"))
    assert (code, "may have 1048576 bytes" in told) == (CODES.INVALID_ARGUMENT, True)


def test_more_streams_than_allowed_are_refused(stub, pictures):
    requests = queue.SimpleQueue()
    requests.put(options())
    for picture in pictures[:3]:
        requests.put(frame(picture))
    first = stub.AnalyzeLive(iter(requests.get, None), timeout=60)
    assert next(first).verdict.HasField("score")
    assert refused(stub, options(), frame(pictures[0]))[0] == CODES.RESOURCE_EXHAUSTED
    requests.put(None)
    assert list(first) == []


def test_faces_keep_their_numbers_where_they_stay():
    faces = live._Faces()

    def clip(track, x):
        crops = (b"",)
        box = np.array([[x, 0, x + 10, 10]], np.float32)
        values = (np.ones(1, bool), np.zeros(1, np.int64), np.zeros(1, np.int64), box)
        rest = (np.zeros([1, 6, 2], np.float32), np.zeros(1, np.float32), np.zeros(1, np.float32))
        return live.Clip(f"{track}/0", track, crops, *values, *rest)

    assert [one.track_id for one in faces.linked([clip(0, 0), clip(1, 100)])] == [0, 1]
    # The ranks of the two are exchanged, and there is a third.
    assert [one.track_id for one in faces.linked([clip(0, 101), clip(1, 1), clip(2, 300)])] == [1, 0, 2]
    assert live.overlap(np.array([0, 0, 2, 2.0]), np.array([1, 1, 3, 3.0])) == pytest.approx(1 / 7)


def test_a_verdict_message_has_the_same_json_as_a_videos(stub, pictures):
    event = run(stub, options(), *map(frame, pictures[:3]))[0]
    assert verdict.Verdict.from_json(json.loads(json_format.MessageToJson(event.verdict)))
