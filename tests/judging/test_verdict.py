import math
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_tf.errors import ConfigError, ServableError
from deepfake_tf.judging import joining, verdict
from deepfake_tf.judging.verdict import Answer, FaceBox
from deepfake_tf.schema import JOINING_RULES, Calibration, ClipSpec, Outcome, ServableSpec

SPEC = ServableSpec(clip_spec=ClipSpec(num_frames=2), threshold=0.5, band=0.1, model_version=7)
LOGITS = st.floats(-50, 50)


@dataclass
class Extracted:
    outcome: Outcome = Outcome.OK
    reason: str = ""
    clips: tuple = ()
    coverage: float = 1.0
    timing_ms: dict = field(default_factory=dict)


def clip(track_id=0, begin_us=0, mask=(True, True)):
    times = np.asarray([begin_us, begin_us + 500_000], np.int64)
    boxes = np.asarray([[1, 2, 30, 40], [5, 6, 35.25, 46]], np.float32)
    return SimpleNamespace(
        track_id=track_id,
        timestamps_us=times,
        mask=np.asarray(mask),
        boxes_xyxy_px=boxes,
        sharpness=np.asarray([4.0, 9.0], np.float32),
    )


def test_join_refuses_nonsense():
    with pytest.raises(ConfigError, match=r"'median'.*mean, max_track"):
        verdict.join([1.0], [0], "median")
    for logits, ids in [([], []), ([1.0], [0, 1]), ([[1.0]], [0])]:
        with pytest.raises(ValueError, match="one logit and one track id"):
            verdict.join(logits, ids)


def test_score_is_the_calibrated_sigmoid():
    assert verdict.score(0.0) == 0.5
    assert verdict.score(math.log(3)) == pytest.approx(0.75)
    assert verdict.score(2.0, Calibration(scale=0.5, offset=-1.0)) == 0.5
    assert verdict.score(1e6) == 1.0
    assert verdict.score(-1e6) == 0.0


@given(LOGITS, LOGITS, st.floats(0.01, 10), st.floats(-5, 5))
def test_calibration_never_changes_the_order(first, second, scale, offset):
    calibration = Calibration(scale, offset)
    low, high = sorted([first, second])
    assert verdict.score(low, calibration) <= verdict.score(high, calibration)


def test_isotonic_is_a_line_through_the_knots_and_level_beyond_them():
    calibration = Calibration(logits=(-1.0, 1.0, 2.0), scores=(0.25, 0.5, 0.5))
    found = [verdict.score(logit, calibration) for logit in (-9.0, -1.0, 0.0, 1.0, 1.7, 9.0)]
    assert found == [0.25, 0.25, 0.375, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("value", "band", "expected"),
    [
        (0.5, 0.0, Answer.FAKE),
        (0.499, 0.0, Answer.REAL),
        (0.45, 0.1, Answer.INCONCLUSIVE),
        (0.55, 0.1, Answer.INCONCLUSIVE),
        (0.7, 0.1, Answer.FAKE),
        (0.3, 0.1, Answer.REAL),
    ],
)
def test_answer_by_threshold_and_band(value, band, expected):
    assert verdict.answer(value, threshold=0.5, band=band) == expected


def test_decide_scores_video_tracks_and_clips():
    extraction = Extracted(clips=(clip(0, 1_000_000), clip(0, 0), clip(2, 0, (False, True))), timing_ms={"decode": 5.0})
    made = verdict.decide(extraction, [3.0, 1.0, 2.0], SPEC, timing_ms={"predict": 2.0}, request_id="r1")
    assert made.verdict == Answer.FAKE
    assert made.score == pytest.approx(1 / (1 + math.exp(-2)))
    assert [track.id for track in made.tracks] == [0, 2]
    first, second = made.tracks[0].clips
    assert (first.start_sec, first.end_sec, second.start_sec) == (0.0, 0.5, 1.0)
    assert first.score == pytest.approx(1 / (1 + math.exp(-1)))
    # A frame that is not there has no time.
    assert made.tracks[1].clips[0].start_sec == 0.5
    assert made.model == verdict.ModelId("detector", 7, SPEC.fingerprint())
    assert dict(made.timing_ms) == {"decode": 5.0, "predict": 2.0}
    assert made.request_id == "r1"
    assert "at or above the threshold 0.5" in made.reason


def test_a_clip_shows_the_face_where_it_is_sharpest_and_there():
    extraction = Extracted(clips=(clip(0, 1_000_000), clip(1, 0, (True, False))))
    first, second = (track.clips[0].face for track in verdict.decide(extraction, [0.0, 0.0], SPEC).tracks)
    assert first == FaceBox(1.5, (5.0, 6.0, 35.2, 46.0))
    assert second == FaceBox(0.0, (1.0, 2.0, 30.0, 40.0))


@pytest.mark.parametrize("rule", JOINING_RULES)
def test_decide_follows_the_spec(rule):
    spec = replace(SPEC, joining=rule, calibration=Calibration(2.0, 0.5))
    made = verdict.decide(Extracted(clips=(clip(0), clip(1))), [-2.0, 1.0], spec)
    joined = joining.join_clips(np.array([-2.0, 1.0]), np.array([0, 1]), rule)[0]
    assert made.score == pytest.approx(1 / (1 + math.exp(-(2 * joined + 0.5))))


@pytest.mark.parametrize("outcome", [one for one in Outcome if one != Outcome.OK])
def test_decide_without_clips_has_no_score(outcome):
    made = verdict.decide(Extracted(outcome=outcome, reason="because", coverage=0.0), [], SPEC)
    assert made.verdict == (Answer.NO_FACE if outcome == Outcome.NO_FACE else Answer.UNREADABLE)
    assert made.outcome == outcome
    assert made.reason == "because"
    assert made.score is None
    assert "score" not in made.to_json()
    assert made.to_json()["coverage"] == 0.0


@pytest.mark.parametrize("logits", [[], [1.0, 2.0], [math.nan], [math.inf], [[1.0]]])
def test_decide_refuses_a_broken_model(logits):
    with pytest.raises(ServableError, match="one finite logit for each of 1 clips"):
        verdict.decide(Extracted(clips=(clip(),)), logits, SPEC)


def test_describe_is_for_people():
    extraction = Extracted(clips=tuple(clip(0, 10**6 * number) for number in range(10)), coverage=0.5)
    lines = verdict.describe(verdict.decide(extraction, [2.0] * 10, SPEC, timing_ms={"predict": 1500.0}))
    assert lines[0] == "FAKE, score 0.881 is at or above the threshold 0.5"
    assert lines[1].startswith("  face 1: score 0.881 (0.0-0.5 s: 0.88, 1.0-1.5 s: 0.88, ")
    assert lines[1].endswith(", 2 more)")
    assert lines[2] == "  a face in 50% of the frames looked at; model detector version 7; 1.5 s"
    without = verdict.decide(Extracted(outcome=Outcome.NO_FACE, reason="No face."), [], SPEC)
    assert verdict.describe(without) == ["NO_FACE, No face", "  model detector version 7; 0.0 s"]


def test_a_verdict_of_another_release_is_refused():
    values = verdict.decide(Extracted(clips=(clip(),)), [1.0], SPEC).to_json()
    with pytest.raises(ValueError, match="MAYBE"):
        verdict.Verdict.from_json({**values, "verdict": "MAYBE"})
    del values["threshold"]
    with pytest.raises(ValueError, match="lacks 'threshold'"):
        verdict.Verdict.from_json(values)
