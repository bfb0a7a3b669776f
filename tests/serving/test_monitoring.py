"""Counts, and the drift of scores: against scipy, by arithmetic, and over HTTP."""

import urllib.request

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import distance

from deepfake_tf.judging.verdict import Answer, ClipScore, ModelId, TrackScore, Verdict
from deepfake_tf.schema import SCORE_BINS, Outcome, ServableSpec
from serving.call_record import CallRecord
from serving.monitoring import FEWEST_SCORES, Monitoring, drift
from tests import servables

COUNTS = st.lists(st.integers(0, 1000), min_size=SCORE_BINS, max_size=SCORE_BINS).filter(any)


@given(COUNTS, COUNTS)
def test_drift_is_the_square_of_scipys_jensen_shannon_distance(counts, expected):
    wanted = distance.jensenshannon(counts, expected, base=2) ** 2
    assert drift(counts, expected) == pytest.approx(wanted, abs=1e-9)
    assert drift(counts, expected) == pytest.approx(drift(expected, counts), abs=1e-12)


def test_drift_is_0_for_equal_shares_and_1_for_none_in_common():
    assert drift([1, 2, 3], [10, 20, 30]) == pytest.approx(0, abs=1e-12)
    assert drift([5, 0, 0], [0, 0, 7]) == 1


def verdict(score, version=3):
    return Verdict(
        Answer.FAKE, Outcome.OK, "", score, 0.5, 0.0, 1.0,
        (TrackScore(0, 0.5, (ClipScore(0.0, 1.0, 0.5),)),), ModelId("detector", version, ""), {"decode": 30.0},
    )  # fmt: skip


def ended(monitoring, score, *, code="OK"):
    record = CallRecord("Analyze", monitoring.count, num_bytes=5000, verdict=verdict(score))
    record.end(code)


def value(monitoring, name, **labels):
    return monitoring.registry.get_sample_value(f"deepfake_{name}", labels)


def test_a_call_is_counted_with_what_became_of_its_video():
    monitoring = Monitoring()
    ended(monitoring, 0.93)
    CallRecord("Analyze", monitoring.count).end("UNAVAILABLE")
    monitoring.count_refusal()
    assert value(monitoring, "calls_total", method="Analyze", code="OK") == 1
    assert value(monitoring, "calls_total", method="Analyze", code="UNAVAILABLE") == 1
    assert value(monitoring, "calls_total", method="-", code="UNAUTHENTICATED") == 1
    assert value(monitoring, "verdicts_total", verdict="FAKE", model_version="3") == 1
    assert value(monitoring, "stage_seconds_sum", stage="decode") == pytest.approx(0.03)
    assert value(monitoring, "faces_bucket", le="1.0") == 1
    assert value(monitoring, "upload_bytes_sum") == 5000
    assert value(monitoring, "scores_bucket", model_version="3", le="0.9") == 0
    assert value(monitoring, "scores_bucket", model_version="3", le="0.95") == 1


def test_drift_is_told_for_each_model_once_there_are_enough_scores():
    monitoring = Monitoring()
    expected = np.histogram(np.linspace(0, 1, 400), SCORE_BINS, (0, 1))[0].tolist()
    monitoring.note_model(ServableSpec(servables.CLIP_SPEC, model_version=3, score_histogram=tuple(expected)))
    for number in range(FEWEST_SCORES - 1):
        ended(monitoring, number / FEWEST_SCORES)
    assert value(monitoring, "score_drift", model_version="3") is None
    ended(monitoring, 1.0)
    assert value(monitoring, "score_drift", model_version="3") < 0.02
    for _ in range(1000):
        ended(monitoring, 0.99)
    # All in one bin of 20: 0.5 * (log2(2 / (1 + 1/20)) + 1/20 * log2(2 * 1/20 / (1/20 + 1)) + 19/20 * 1).
    middle = (1 + 1 / 20) / 2
    wanted = 0.5 * (np.log2(1 / middle) + 1 / 20 * np.log2(1 / 20 / middle) + 19 / 20)
    assert value(monitoring, "score_drift", model_version="3") == pytest.approx(wanted, abs=1e-6)
    assert value(monitoring, "model_up") == 1
    monitoring.note_model(None)
    assert value(monitoring, "model_up") == 0


def test_prometheus_is_answered_over_http():
    monitoring = Monitoring()
    monitoring.watch("stored_bytes", "Of all uploads.", lambda: 42)
    port, stop = monitoring.serve("127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b"deepfake_stored_bytes 42.0" in answer.read()
    stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)
