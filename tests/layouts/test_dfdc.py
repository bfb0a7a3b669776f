"""DFDC's metadata.json and labels.csv: labels, originals, parts, splits."""

import json

import pytest

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import dfdc
from deepfake_tf.schema import FAKE, REAL
from deepfake_tf.splits import assign_groups


def write_part(root, name, metadata, videos=None):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(json.dumps(metadata))
    for video in metadata if videos is None else videos:
        (folder / video).write_bytes(b"")
    return folder


@pytest.fixture
def two_parts(tmp_path):
    write_part(
        tmp_path,
        "dfdc_train_part_0",
        {
            "aa.mp4": {"label": "REAL", "split": "train"},
            "bb.mp4": {"label": "FAKE", "split": "train", "original": "aa.mp4"},
            "cc.mp4": {"label": "FAKE", "split": "train", "original": "elsewhere.mp4"},
        },
    )
    write_part(tmp_path, "dfdc_train_part_1", {"dd.mp4": {"label": "REAL", "split": "train"}})
    return tmp_path


def by_name(entries):
    return {entry.path.name: entry for entry in entries}


def test_metadata_gives_label_original_and_part(two_parts):
    found = by_name(dfdc.find_videos(two_parts))
    assert list(found) == ["aa.mp4", "bb.mp4", "cc.mp4", "dd.mp4"]
    assert [entry.label for entry in found.values()] == [REAL, FAKE, FAKE, REAL]
    assert found["bb.mp4"].original_id == "dfdc_train_part_0/aa.mp4" == found["aa.mp4"].video_id
    assert found["aa.mp4"].original_id == ""
    assert found["bb.mp4"].identities == ("dfdc_train_part_0/aa.mp4", "dfdc_train_part_0")
    assert found["dd.mp4"].attributes["part"] == "dfdc_train_part_1"
    assert found["bb.mp4"].path == two_parts / "dfdc_train_part_0" / "bb.mp4"


def test_a_part_is_one_group_unless_only_originals_count(two_parts):
    by_part = by_name(assign_groups(dfdc.find_videos(two_parts)))
    assert len({by_part[name].group for name in ("aa.mp4", "bb.mp4", "cc.mp4")}) == 1
    assert by_part["dd.mp4"].group != by_part["aa.mp4"].group
    by_original = by_name(assign_groups(dfdc.find_videos(two_parts, group_by="original")))
    assert by_original["aa.mp4"].group == by_original["bb.mp4"].group
    assert by_original["cc.mp4"].group != by_original["aa.mp4"].group


def test_parts_that_are_all_train_have_no_split_yet(two_parts):
    assert {entry.split for entry in dfdc.find_videos(two_parts)} == {""}


def test_validation_and_test_tables_give_the_splits(two_parts):
    for folder, split in (("validation", "val"), ("test", "test")):
        (two_parts / folder / "videos").mkdir(parents=True)
        (two_parts / folder / "labels.csv").write_text(f"filename,label\n{split}0.mp4,0\n{split}1.mp4,1\n")
        for number in range(2):
            (two_parts / folder / "videos" / f"{split}{number}.mp4").write_bytes(b"")
    # The test set has a metadata.json of another form beside its table.
    (two_parts / "test" / "metadata.json").write_text(json.dumps({"test0.mp4": {"augmentations": {}}}))
    found = by_name(dfdc.find_videos(two_parts))
    assert found["aa.mp4"].split == "train"
    assert (found["val1.mp4"].split, found["val1.mp4"].label) == ("val", FAKE)
    assert (found["test0.mp4"].split, found["test0.mp4"].label) == ("test", REAL)
    assert found["test0.mp4"].path == two_parts / "test" / "videos" / "test0.mp4"


def test_a_root_that_is_a_part_itself(tmp_path):
    part = write_part(tmp_path, "train_sample_videos", {"aa.mp4": {"label": "REAL", "split": "train"}})
    (entry,) = dfdc.find_videos(part)
    assert (entry.video_id, entry.attributes["part"]) == ("aa.mp4", "train_sample_videos")


def test_a_folder_without_lists_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no metadata\.json and no labels\.csv"):
        dfdc.find_videos(tmp_path)


@pytest.mark.parametrize("metadata", [{"aa.mp4": {"split": "train"}}, {"aa.mp4": "REAL"}])
def test_metadata_without_a_label_is_refused(tmp_path, metadata):
    write_part(tmp_path, "part", metadata)
    with pytest.raises(DataError, match=r"gives no label for aa\.mp4"):
        dfdc.find_videos(tmp_path)


@pytest.mark.parametrize(("text", "message"), [("[]", "must hold a JSON dict"), ("{", "no JSON file")])
def test_a_metadata_file_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "metadata.json").write_text(text)
    with pytest.raises(DataError, match=message):
        dfdc.find_videos(tmp_path)


def test_a_table_with_other_columns_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("name,is_fake\naa.mp4,1\n")
    with pytest.raises(DataError, match="no columns filename and label"):
        dfdc.find_videos(tmp_path)
