from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from deepfake_tf import manifest
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.manifest import VideoEntry

TEXT = st.text(st.characters(codec="utf-8", exclude_characters=";\r\x00"), max_size=8).map(str.strip)
NAMES = TEXT.filter(bool)
ENTRIES = st.builds(
    VideoEntry,
    video_id=NAMES,
    path=st.sampled_from([Path("/videos/a b.mp4"), Path("/videos/é,漢.mp4")]),
    label=st.sampled_from([0, 1, None]),
    dataset=TEXT,
    method=TEXT,
    identities=st.lists(NAMES, max_size=3).map(tuple),
    original_id=TEXT,
    group=TEXT,
    split=st.sampled_from(["", "train", "val", "test"]),
    sha256=st.just("ab"),
    attributes=st.fixed_dictionaries({"context": TEXT, "compression": TEXT}),
)


@hypothesis.given(st.lists(ENTRIES, min_size=1, max_size=4, unique_by=lambda entry: entry.video_id))
@hypothesis.settings(deadline=None, max_examples=50)
def test_manifest_gives_back_what_was_written(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("manifests") / "manifest.csv"
    manifest.write_manifest(entries, path)
    assert manifest.read_manifest(path) == entries


def test_files_below_the_manifest_are_named_from_there(tmp_path):
    entries = [VideoEntry("in", tmp_path / "set" / "real" / "a.mp4"), VideoEntry("out", Path("/elsewhere/b.mp4"))]
    path = tmp_path / "set" / "manifest.csv"
    manifest.write_manifest(entries, path)
    assert [line.split(",")[1] for line in path.read_text().splitlines()[1:]] == ["real/a.mp4", "/elsewhere/b.mp4"]
    moved = tmp_path / "moved"
    (tmp_path / "set").rename(moved)
    assert manifest.read_manifest(moved / "manifest.csv")[0].path == moved / "real" / "a.mp4"


@pytest.mark.parametrize(
    ("word", "label"),
    [("real", 0), ("fake", 1), ("0", 0), ("1", 1), ("", None), (" FAKE ", 1), ("unlabelled", None)],
)
def test_words_for_labels(word, label):
    assert manifest.parse_label(word) is label


def test_unknown_label_is_refused():
    with pytest.raises(DataError, match="one of unlabelled, .*real, fake or empty. Received: 'mixed'"):
        manifest.parse_label("mixed")


def test_missing_manifest_is_wrong_use(tmp_path):
    with pytest.raises(ConfigError, match="There is no table"):
        manifest.read_manifest(tmp_path / "manifest.csv")


HEAD = ",".join(manifest.COLUMNS)
ROW = "a,/a.mp4,1,,,,,,train,"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        (HEAD + "\n", "has no rows"),
        ("path,label\na.mp4,1\n", "no column video_id"),
        (f"{HEAD}\n{ROW.replace(',1,', ',2,')}\n", "Row 1 of .*A label must be one of"),
        (f"{HEAD}\n{ROW.replace('train', 'dev')}\n", "The split of a must be train, val, test or empty"),
        (f"{HEAD}\n{ROW}\n{ROW}\n", "occur more than once, the first is 'a'"),
        (f"{HEAD}\n{ROW}\n{ROW.replace('a,', ',', 1)}\n", "Row 2 of .*needs a video_id"),
        (f"{HEAD}\n{ROW},surplus\n", "Row 1 of .* not as many cells"),
        (f"{HEAD}\na,b\n", "Row 1 of .* not as many cells"),
        (f'{HEAD}\n"a\n', "no CSV table"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, message):
    path = tmp_path / "manifest.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"(?s){message}"):
        manifest.read_manifest(path)


def test_binary_file_is_no_table(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="no CSV table in UTF-8"):
        manifest.read_manifest(path)


def test_attribute_named_like_a_column_is_refused():
    with pytest.raises(DataError, match="attributes with the name of a column: label"):
        VideoEntry("a", Path("/a"), attributes={"label": "1"})


def test_merged_manifests_lose_groups_and_splits():
    one = VideoEntry("x/a", Path("/a"), group="g", split="train")
    merged = manifest.merge_manifests([[one], [VideoEntry("y/a", Path("/b")), one]])
    assert [(entry.video_id, entry.group, entry.split) for entry in merged] == [("x/a", "", ""), ("y/a", "", "")]


def test_merge_refuses_different_videos_of_one_name():
    one = VideoEntry("x/a", Path("/a"), label=0)
    with pytest.raises(DataError, match="different videos with the video_id 'x/a'.*--dataset"):
        manifest.merge_manifests([[one], [replace(one, label=1)]])


def test_summary_counts_by_hand(tmp_path):
    (tmp_path / "a.mp4").write_text("a")
    there, gone = tmp_path / "a.mp4", tmp_path / "gone.mp4"
    entries = [
        VideoEntry("1", there, 0, group="g", split="train", sha256="aa", identities=("x",)),
        VideoEntry("2", there, 1, group="g", split="train", sha256="aa", method="swap", original_id="1"),
        VideoEntry("3", gone, None, group="h", sha256="bb"),
        VideoEntry("4", there, None, group="h", sha256="bb"),
    ]
    summary = manifest.summarise(entries)
    assert (summary.num_videos, summary.num_identities, summary.num_groups) == (4, 1, 2)
    assert summary.largest_group == ("g", 2)
    assert summary.num_without_identity == 2
    assert summary.missing == (entries[2],)
    assert summary.duplicates == ((entries[0], entries[1]), (entries[2], entries[3]))
    assert summary.contradictions == ((entries[0], entries[1]),)
