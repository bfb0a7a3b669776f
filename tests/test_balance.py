from pathlib import Path

import cv2
import numpy as np
import pytest

from deepfake_tf import balance
from deepfake_tf.balance import Row, Tally
from deepfake_tf.manifest import VideoEntry


def entry(video_id, label, **more):
    return VideoEntry(video_id, Path(f"/{video_id}"), label, **more)


ENTRIES = [
    entry("r1", 0, split="train", group="g", identities=("x",), dataset="d"),
    entry(
        "r2", 0, split="test", group="h", identities=("y",), dataset="e", attributes={"context": "news", "note": "1"}
    ),
    entry("f1", 1, split="train", group="g", identities=("x", "z"), dataset="d", method="swap"),
    entry("u1", None, group="k", dataset="d", attributes={"official_split": "train"}),
]


def counts(real, fake, unlabelled):
    return {"real": real, "fake": fake, "unlabelled": unlabelled}


def test_tallies_by_hand():
    found = {tally.name: tally.rows for tally in balance.tallies(ENTRIES)}
    assert found == {
        "split": (
            Row("train", counts(1, 1, 0), 2, 1),
            Row("test", counts(1, 0, 0), 1, 1),
            Row("none", counts(0, 0, 1), 0, 1),
        ),
        "method": (Row("swap", counts(0, 1, 0), 2, 1), Row("none", counts(2, 0, 1), 2, 3)),
        "data set": (Row("d", counts(1, 1, 1), 2, 2), Row("e", counts(1, 0, 0), 1, 1)),
        "context": (Row("news", counts(1, 0, 0), 1, 1), Row("none", counts(1, 1, 1), 2, 2)),
        "note": (Row("1", counts(1, 0, 0), 1, 1), Row("none", counts(1, 1, 1), 2, 2)),
    }


def test_what_is_the_same_everywhere_or_different_everywhere_is_left_out():
    entries = [
        entry(
            f"{n}",
            0,
            dataset="d",
            attributes={"same": "x", "own": str(n), "few": str(n % 2), "long": "x" * (n % 2 * 40)},
        )
        for n in range(40)
    ]
    assert [tally.name for tally in balance.tallies(entries)] == ["split", "method", "few"]


def picture(found):
    return cv2.imdecode(np.frombuffer(balance.draw(found), np.uint8), cv2.IMREAD_COLOR_RGB)


def num_pixels(pixels, colour):
    return int((pixels == [int(colour[at : at + 2], 16) for at in (1, 3, 5)]).all(-1).sum())


def test_bars_are_as_long_as_the_counts():
    pixels = picture([Tally("split", (Row("train", counts(100, 300, 0), 1, 1),))])
    real, fake, unlabelled = (num_pixels(pixels, colour) for colour in ("#0072B2", "#D55E00", "#999999"))
    # The legend has one square of each; the bar outweighs it by far, and the numbers take a few pixels.
    legend = unlabelled
    assert (fake - legend) / (real - legend) == pytest.approx(3, rel=0.1)


def test_many_values_are_drawn_as_the_largest_and_the_rest():
    rows = tuple(Row(str(n), counts(n, 0, 0), 1, 1) for n in range(20))
    assert [row.value for row in balance._largest(rows)] == [*map(str, range(8, 20)), "8 others"]
    assert balance._largest(rows)[-1].counts["real"] == sum(range(8))
    # One bar more than fits is no reason to leave anything out.
    assert balance._largest(rows[:13]) == rows[:13]
