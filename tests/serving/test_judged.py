"""Labelled videos judged through a gateway: what is right, what the table shows, what the file holds."""

import json

import grpc
import pytest

from deepfake_tf.judging.verdict import Answer, ModelId, Verdict
from deepfake_tf.schema import Outcome
from serving import judged
from serving.client import CallError
from serving.judged import Judged


def verdict(answer, score=0.5):
    return Verdict(answer, Outcome.OK, "why", score, 0.5, 0.0, 1.0, (), ModelId("detector", 1, "0" * 16))


@pytest.mark.parametrize(
    ("answer", "label", "is_right"),
    [
        (Answer.REAL, 0, True),
        (Answer.REAL, 1, False),
        (Answer.FAKE, 1, True),
        (Answer.FAKE, 0, False),
        (Answer.INCONCLUSIVE, 1, None),
        (Answer.NO_FACE, 0, None),
    ],
)
def test_right_and_wrong(answer, label, is_right):
    judged = Judged("v0", label, verdict=verdict(answer))
    assert judged.is_right is is_right


def test_the_table_shows_each_verdict(capsys):
    judged.print_table(
        [
            Judged("v0", 0, verdict=verdict(Answer.REAL, 0.125)),
            Judged("v1", 1, verdict=verdict(Answer.NO_FACE, None)),
            Judged("v2", 1, verdict=verdict(Answer.INCONCLUSIVE, 0.5)),
        ]
    )
    rows = [line.split("│")[1:-1] for line in capsys.readouterr().out.splitlines() if "│ v" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["v0", "real", "REAL", "0.125", "right"],
        ["v1", "fake", "NO_FACE", "-", "no verdict"],
        ["v2", "fake", "INCONCLUSIVE", "0.500", "left open"],
    ]


def test_an_error_has_its_word_and_is_neither_right_nor_wrong(tmp_path):
    lost = Judged("v3", 1, error=CallError(grpc.StatusCode.UNAVAILABLE, "gone"))
    assert (lost.word, lost.is_right) == ("UNAVAILABLE", None)
    judged.write([lost, Judged("v4", 0, verdict=verdict(Answer.REAL, 0.25))], tmp_path / "verdicts.json")
    first, second = json.loads((tmp_path / "verdicts.json").read_text())
    assert first == {"video_id": "v3", "label": "fake", "error": "gone"}
    assert (second["video_id"], second["label"], second["verdict"]["score"]) == ("v4", "real", 0.25)


def test_the_largest_difference_is_over_videos_that_both_have():
    answers = [
        Judged("v0", 0, verdict=verdict(Answer.REAL, 0.5)),
        Judged("v1", 1, verdict=verdict(Answer.FAKE, 0.75)),
        Judged("v2", 1, verdict=verdict(Answer.NO_FACE, None)),
    ]
    assert judged.largest_difference(answers, {"v0": 0.5, "v1": 0.5, "v2": 0.0, "v9": 1.0}) == 0.25
    assert judged.largest_difference(answers, {}) == 0.0
