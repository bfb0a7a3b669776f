"""The file of verdicts, gone on with after whatever has happened to it."""

import csv

import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.judging.verdict import Answer, ModelId, Verdict
from deepfake_tf.judging.verdict_table import COLUMNS, VerdictTable
from deepfake_tf.schema import Outcome


def verdict_of(answer=Answer.FAKE, score=0.75):
    return Verdict(
        verdict=answer,
        outcome=Outcome.OK if score is not None else Outcome.NO_FACE,
        reason='score "0.750", above',
        score=score,
        threshold=0.5,
        band=0.0,
        coverage=1.0,
        tracks=(),
        model=ModelId("detector", 3, "abcd"),
    )


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "a, b.mp4"
    path.write_bytes(b"12345")
    return path


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_added_is_found_again(video, tmp_path):
    table = VerdictTable(tmp_path / "t.csv", "abcd")
    table.add(video, verdict_of())
    other = tmp_path / "other.mp4"
    other.write_bytes(b"1")
    table.add(other, verdict_of(Answer.NO_FACE, None))
    assert VerdictTable(tmp_path / "t.csv", "abcd").answers == {str(video): "FAKE", str(other): "NO_FACE"}
    first, second = rows_of(tmp_path / "t.csv")
    assert tuple(first) == COLUMNS
    assert (first["path"], first["score"], first["num_bytes"]) == (str(video), "0.75", "5")
    assert (second["verdict"], second["score"]) == ("NO_FACE", "")


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_line_that_was_cut_off_is_left_out(video, tmp_path, cut):
    path = tmp_path / "t.csv"
    other = tmp_path / "other.mp4"
    other.write_bytes(b"1")
    table = VerdictTable(path, "abcd")
    table.add(video, verdict_of())
    table.add(other, verdict_of())
    path.write_bytes(path.read_bytes()[:-cut])
    again = VerdictTable(path, "abcd")
    assert set(again.answers) == {str(video)}
    again.add(other, verdict_of())
    assert [row["path"] for row in rows_of(path)] == [str(video), str(other)]


def test_a_file_that_changed_is_judged_again(video, tmp_path):
    VerdictTable(tmp_path / "t.csv", "abcd").add(video, verdict_of())
    video.write_bytes(b"123456")
    assert VerdictTable(tmp_path / "t.csv", "abcd").answers == {}
    assert rows_of(tmp_path / "t.csv") == []


def test_another_model_or_another_file_is_refused(video, tmp_path):
    path = tmp_path / "t.csv"
    VerdictTable(path, "abcd").add(video, verdict_of())
    with pytest.raises(ConfigError, match="another model"):
        VerdictTable(path, "ffff")
    path.write_text("name,age\nx,3\n")
    with pytest.raises(ConfigError, match="no table of verdicts"):
        VerdictTable(path, "abcd")
