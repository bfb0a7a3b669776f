"""What is told of the data, on manifests small enough to see through."""

from pathlib import Path

from deepfake_tf.manifest import VideoEntry
from deepfake_tf.reporting import data_card
from tests.clips_of_squares import write_data


def entry(name, split="test", **more):
    return VideoEntry(
        name, Path(f"{name}.mp4"), **{"label": 0, "dataset": "one", "split": split, "group": name, **more}
    )


def test_videos_are_counted_by_source_and_split():
    card = data_card.describe(
        [
            entry("a", "train"),
            entry("b", "train", label=1, method="swap"),
            entry("c", dataset="two", label=1, method="blend"),
            entry("d", dataset="two", label=None),
        ],
        "test",
        None,
    )
    one, two = card["sources"]
    assert (one["value"], one["num_real"], one["num_fake"], one["methods"]) == ("one", 1, 1, ["swap"])
    assert (two["num_real"], two["num_fake"], two["num_other"], two["num_groups"]) == (0, 1, 1, 2)
    assert [(row["value"], row["num_fake"]) for row in card["splits"]] == [("train", 1), ("test", 1)]
    assert card["leak"] == ""


def test_a_person_in_two_splits_is_a_leak_with_its_chain():
    entries = [entry("a", "train", identities=("eva",)), entry("b", identities=("eva",))]
    assert "eva" in data_card.describe(entries, "test", None)["leak"]


def test_equal_files_are_found_and_unknown_ones_are_told():
    duplicates = data_card._duplicates([entry("a", "train", sha256="1"), entry("b", label=1, sha256="1"), entry("c")])
    assert duplicates.startswith("1 files are there more than once, 1 of them in more than one split, 1 with more than")
    assert "a = b" in duplicates
    assert "1 files without a checksum" in duplicates
    assert data_card._duplicates([entry("a"), entry("b")]).startswith("Not looked for")
    assert data_card._duplicates([entry("a", sha256="1"), entry("b", sha256="2")]).startswith("None")


def test_what_was_learned_from_and_scored_is_found_across_manifests():
    scored = [entry("x", sha256="7", identities=("eva",)), entry("y", sha256="8", identities=("tom",))]
    learned = [entry("a", "train", sha256="7"), entry("b", "val", identities=("tom",)), entry("c", "test", sha256="8")]
    overlap = data_card.describe(scored, "test", learned)["overlap"]
    assert overlap.startswith("1 of 2 scored videos are files that were learned from or chosen by, and 1 show a person")
    assert data_card.describe(scored, "test", [])["overlap"].startswith("None")
    assert data_card.describe(scored, "test", None)["overlap"].startswith("Not looked for")


def test_the_training_data_are_read_if_they_are_still_the_same(tmp_path):
    data = write_data(tmp_path / "data", {"train": [("a", 0)]})
    fingerprint = data_card.read_index(data).fingerprint()
    run = {"data": {"path": str(data), "fingerprint": fingerprint}}
    assert [one.video_id for one in data_card.training_entries(run)] == ["a"]
    assert data_card.training_entries({"data": {"path": str(data), "fingerprint": "other"}}) is None
    assert data_card.training_entries({"data": {"path": str(tmp_path / "gone"), "fingerprint": fingerprint}}) is None
