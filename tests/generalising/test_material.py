import pytest

from deepfake_tf.errors import DataError
from deepfake_tf.generalising.material import sort_out
from deepfake_tf.manifest import VideoEntry


def entry(name, label, group):
    return VideoEntry(name, None, label=label, group=group)


def test_matched_groups_are_set_apart():
    entries = [
        *(entry("a", 0, "x"), entry("b", 1, "x"), entry("c", 0, "x")),
        *(entry("d", 0, "y"), entry("e", 1, "z"), entry("f", None, "x")),
    ]
    assert {one.video_id: one.split for one in sort_out(entries)} == {
        **dict.fromkeys("abc", "test"),
        **dict.fromkeys("de", "train"),
    }


@pytest.mark.parametrize(
    "entries",
    [
        [entry("a", 0, "x"), entry("b", 1, "y")],
        [entry("a", 0, "x"), entry("b", 1, "x")],
        [entry("a", 0, ""), entry("b", 1, ""), entry("c", 0, "x")],
    ],
)
def test_too_little_is_said_before_any_work(entries):
    with pytest.raises(DataError, match="matched pairs"):
        sort_out(entries)
