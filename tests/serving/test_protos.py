"""One JSON for a verdict, whoever writes it."""

from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.judging.verdict import Answer, ClipScore, FaceBox, ModelId, TrackScore, Verdict
from deepfake_tf.schema import Outcome
from serving.gateway import to_message
from serving.protos.deepfake.v1 import detection_pb2

SHARE = st.floats(0, 1)
SECONDS = st.floats(0, 1e5)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
EDGE = st.floats(0, 8192)
FACES = st.none() | st.builds(FaceBox, SECONDS, st.tuples(EDGE, EDGE, EDGE, EDGE))
TRACKS = st.builds(
    TrackScore,
    id=st.integers(0, 9),
    score=SHARE,
    clips=st.lists(st.builds(ClipScore, SECONDS, SECONDS, SHARE, FACES), max_size=3).map(tuple),
)
VERDICTS = st.builds(
    Verdict,
    verdict=st.sampled_from(Answer),
    outcome=st.sampled_from(Outcome),
    reason=TEXT,
    score=st.none() | SHARE,
    threshold=SHARE,
    band=SHARE,
    coverage=SHARE,
    tracks=st.lists(TRACKS, max_size=3).map(tuple),
    model=st.builds(ModelId, TEXT, st.integers(0, 2**63 - 1), TEXT),
    timing_ms=st.dictionaries(st.text("abc", min_size=1), st.floats(0, 1e9)),
    request_id=TEXT,
)


@given(VERDICTS)
def test_verdict_json_is_the_messages_canonical_json(verdict):
    assert json_format.MessageToDict(to_message(verdict)) == verdict.to_json()
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_the_protocol_has_our_words():
    assert set(detection_pb2.Verdict.Answer.keys()) - {"ANSWER_UNSPECIFIED"} == {str(one) for one in Answer}
    assert set(detection_pb2.Outcome.Value.keys()) - {"OUTCOME_UNSPECIFIED"} == {str(one) for one in Outcome}


def test_the_service_is_whole():
    service = detection_pb2.DESCRIPTOR.services_by_name["DetectionService"]
    assert service.full_name == "deepfake.v1.DetectionService"
    streams = {one.name: (one.client_streaming, one.server_streaming) for one in service.methods}
    assert streams == {
        "Analyze": (True, True),
        "SubmitJob": (True, False),
        "GetJob": (False, False),
        "WaitJob": (False, True),
        "CancelJob": (False, False),
        "AnalyzeLive": (True, True),
    }
