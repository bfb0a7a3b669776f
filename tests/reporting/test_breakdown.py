from pathlib import Path

import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.judging.decision import Decision
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.reporting import breakdown


def row(label, logit, **columns):
    return {"label": label, "logit": logit, "group": f"g{logit}", **columns}


def coverage(rows):
    return {"num_videos": len(rows)}


def slices(rows, *columns):
    return breakdown.break_down(rows, Decision(), columns, coverage)


def test_fakes_of_one_method_are_held_against_all_reals():
    rows = [row("real", 0.1), row("real", 0.4), row("fake", 0.3, method="a"), row("fake", 0.2, method="b")]
    a, b = slices([*rows, row("fake", "", method="b")])["method"]
    assert (a["value"], a["against"], a["num_real"], a["num_fake"]) == ("a", "all reals", 2, 1)
    assert a["metrics"]["roc_auc"] == 0.5
    # What was refused counts in the method's coverage, reals do not.
    assert b["coverage"] == {"num_videos": 2}
    assert b["num_fake"] == 1


def test_another_column_is_measured_on_its_own_videos():
    rows = [row("real", 0.1, light="day"), row("fake", 0.4, light="day"), row("fake", 0.3, light="night")]
    day, night = slices(rows, "light")["light"]
    assert (day["against"], day["num_real"], day["num_fake"]) == ("own", 1, 1)
    assert (night["num_real"], night["num_fake"], night["metrics"]["roc_auc"]) == (0, 1, None)
    assert slices(rows) == {}


def test_a_column_that_is_the_same_for_all_is_left_out_unless_asked_for():
    rows = [row("real", 0.1, dataset="x"), row("fake", 0.4, dataset="x")]
    assert "dataset" not in slices(rows)
    assert len(slices(rows, "dataset")["dataset"]) == 1


def test_many_numbers_are_measured_in_quarters():
    rows = [row("fake" if number % 2 else "real", float(number), bitrate=str(number)) for number in range(100)]
    found = slices([*rows, row("real", 0.5, bitrate="")], "bitrate")["bitrate"]
    assert [(one["value"], one["num_real"] + one["num_fake"]) for one in found] == [
        ("0 to 24.75", 25),
        ("24.75 to 49.5", 25),
        ("49.5 to 74.25", 25),
        ("74.25 to 99", 25),
    ]


def test_many_words_leave_the_rarest_together():
    rows = [row("real", float(number), place=f"p{number}") for number in range(30)]
    rows += [row("fake", float(number), place="p7") for number in range(5)]
    found = {one["value"]: one for one in slices(rows, "place")["place"]}
    assert len(found) == breakdown.MAX_VALUES
    assert (found["p7"]["num_real"], found["p7"]["num_fake"]) == (1, 5)
    assert found[breakdown.OTHERS]["num_real"] == 30 - (breakdown.MAX_VALUES - 1)


def test_face_sizes_have_no_coverage():
    rows = [row("real", 0.1, face_size="below 64 px"), row("fake", 0.4, face_size="64-128 px")]
    assert [one["coverage"] for one in slices(rows)["face_size"]] == [None, None]


def test_columns_that_are_not_there_are_refused():
    entries = [VideoEntry(video_id="a", path=Path("a.mp4"), attributes={"light": "day"})]
    breakdown.check_columns(["light", "method", "face_size"], entries)
    with pytest.raises(ConfigError, match="no column 'colour'. It has: method, .*light"):
        breakdown.check_columns(["colour"], entries)
