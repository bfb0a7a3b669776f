"""The table of clips, against what the shards were written from."""

import dataclasses

import numpy as np
import pytest

from deepfake_tf import records
from deepfake_tf.batching.clip_table import join_tables, list_clips
from deepfake_tf.errors import ConfigError, DataError
from tests.clips_of_squares import SPEC, both_classes, write_data


@pytest.fixture
def data(tmp_path):
    return write_data(
        tmp_path / "data",
        {"train": [("a", 0), ("b", 1), ("c", None)], "val": both_classes("v", 2), "test": [("lost", 1)]},
        refused=("lost",),
    )


def test_the_table_says_what_the_records_say(data):
    clips = list_clips(data, ["train", "val"])
    decoded = [records.decode_clip(one) for split in ("train", "val") for one in _records(data, split)]
    assert clips.example_ids == tuple(one.example_id for one in decoded)
    assert clips.video_ids == tuple(one.video_id for one in decoded)
    assert clips.groups == tuple(one.group for one in decoded)
    assert clips.labels.tolist() == [one.label for one in decoded]
    assert clips.track_ids.tolist() == [one.clip.track_id for one in decoded]
    assert clips.spec == SPEC


def test_a_clip_is_read_from_its_place(data):
    clips = list_clips(data, ["val"])
    decoded = [records.decode_clip(one).clip for one in _records(data, "val")]
    for row in reversed(range(len(clips))):
        crops, mask = clips.read(row)
        assert crops == decoded[row].crops
        np.testing.assert_array_equal(mask, decoded[row].mask)


def test_key_points_are_read_with_the_clip(data):
    clips = list_clips(data, ["val"])
    for row, record in enumerate(_records(data, "val")):
        keypoints = clips.read_with_keypoints(row)[2]
        np.testing.assert_array_equal(keypoints, records.decode_clip(record).clip.keypoints_crop_px)
        assert keypoints.shape == (SPEC.num_frames, 6, 2)


def test_fewer_frames_are_some_of_those_that_are_stored(data):
    clips = list_clips(data, ["val"])
    some = clips.with_num_frames(2)
    assert (some.spec.num_frames, some.num_stored, len(some)) == (2, 4, len(clips))
    for row in range(len(clips)):
        crops, mask, keypoints = clips.read_with_keypoints(row)
        first, last = (some.read_frames(row, at) for at in (0.0, 0.99))
        assert first.crops == crops[:2]
        assert last.crops == crops[2:]
        np.testing.assert_array_equal(first.numbers, [0, 1])
        np.testing.assert_array_equal(last.mask, mask[2:])
        np.testing.assert_array_equal(last.keypoints_px, keypoints[2:])
        assert some.read(row)[0] == crops[1:3]
    assert some.with_num_frames(4).spec == clips.spec


@pytest.mark.parametrize("num_frames", [0, 5])
def test_more_frames_than_are_stored_are_refused(data, num_frames):
    with pytest.raises(ConfigError, match=r"must lie in \[1, 4\]"):
        list_clips(data, ["val"]).with_num_frames(num_frames)


def test_the_manifest_says_how_a_fake_was_made_and_from_what(tmp_path):
    data = write_data(tmp_path, {"train": [("a", 0), ("b", 1)]}, originals={"b": "a"})
    clips = list_clips(data, ["train"])
    assert clips.methods == ("", "", "square", "square")
    assert clips.original_ids == ("", "", "a", "a")
    assert clips.datasets == ("",) * 4


def test_a_fake_shows_whose_face_it_wears_and_in_whose_place(tmp_path):
    data = write_data(tmp_path, {"train": [("a", 0), ("b", 1), ("c", 1)]}, worn={"c": "group-a"})
    clips = list_clips(data, ["train"])
    assert clips.face_groups == ("group-a",) * 2 + ("group-b",) * 2 + ("group-a",) * 2
    assert set(clips.within({"group-b", "group-c"}).video_ids) == {"b"}
    assert set(clips.within({"group-a", "group-c"}).video_ids) == {"a", "c"}
    assert not len(clips.within(set()))


def test_tables_can_be_joined(data, tmp_path):
    other = list_clips(write_data(tmp_path / "other", {"train": [("x", 1), ("y", 0)]}, seed=9), ["train"])
    train, val = (list_clips(data, [split]) for split in ("train", "val"))
    joined = join_tables([train, val, other])
    assert joined.example_ids == train.example_ids + val.example_ids + other.example_ids
    assert joined.read(len(train) + 1)[0] == val.read(1)[0]
    assert joined.read(len(joined) - 1)[0] == other.read(len(other) - 1)[0]
    assert list_clips(data, ["train"]).shard_numbers.tolist() == train.shard_numbers.tolist()
    with pytest.raises(DataError, match="same name"):
        join_tables([train, train])
    with pytest.raises(DataError, match="different specs"):
        join_tables([train, dataclasses.replace(other, spec=dataclasses.replace(SPEC, margin=0.5))])


def test_a_video_that_the_manifest_lacks_is_an_error_in_words(data):
    lines = (data / "manifest.csv").read_text().splitlines(keepends=True)
    (data / "manifest.csv").write_text("".join(line for line in lines if not line.startswith("b,")))
    with pytest.raises(DataError, match="lacks b"):
        list_clips(data, ["train"])


def test_selected_rows_are_the_same_clips(data):
    clips = list_clips(data, ["train", "val"])
    some = clips.select([5, 1])
    assert some.example_ids == (clips.example_ids[5], clips.example_ids[1])
    assert some.read(0)[0] == clips.read(5)[0]
    assert some.shard_path(1) == clips.shard_path(1)


def test_unlabelled_clips_can_be_left_out_and_are_not_counted(data):
    clips = list_clips(data, ["train"])
    assert clips.label_counts() == {"real": 2, "fake": 2}
    assert len(clips) == 6
    assert set(clips.labelled().video_ids) == {"a", "b"}


@pytest.mark.parametrize(("batch_size", "expected"), [(1, 6), (4, 2), (6, 1), (100, 1)])
def test_the_last_batch_may_be_smaller(data, batch_size, expected):
    assert list_clips(data, ["train"]).num_batches(batch_size) == expected


def test_a_split_without_clips_is_an_error_in_words(data):
    with pytest.raises(DataError, match="no face was found"):
        list_clips(data, ["test"])


def test_an_unfinished_extraction_is_an_error_in_words(tmp_path):
    with pytest.raises(DataError, match=r"pipelines\.extract"):
        list_clips(tmp_path, ["train"])


def test_a_missing_shard_is_an_error_in_words(data):
    next(data.glob("val-*")).unlink()
    with pytest.raises(DataError, match="There is no shard"):
        list_clips(data, ["val"])


@pytest.mark.parametrize("num_lost", [1, 5, 2000])
def test_a_shard_that_was_cut_is_an_error_in_words(data, num_lost):
    shard = next(data.glob("val-*"))
    shard.write_bytes(shard.read_bytes()[:-num_lost])
    with pytest.raises(DataError, match="damaged or cut short"):
        list_clips(data, ["val"])


def test_a_record_that_is_no_record_is_an_error_in_words(data):
    records.write_shard(next(data.glob("val-*")), [b"not a record" * 10])
    with pytest.raises(DataError, match="damaged"):
        list_clips(data, ["val"])


def test_a_record_of_another_version_is_an_error_in_words(data, monkeypatch):
    monkeypatch.setattr("deepfake_tf.batching.clip_table.RECORD_VERSION", 2)
    with pytest.raises(DataError, match="version"):
        list_clips(data, ["val"])


def test_what_is_known_of_a_clip_may_be_long(tmp_path):
    # Longer than what is read of a record at first.
    long_name = "n" * 9000
    data = write_data(tmp_path / "data", {"train": [(long_name, 1)]})
    assert set(list_clips(data, ["train"]).video_ids) == {long_name}


def _records(data, split):
    return [one for path in records.shard_paths(data, split) for one in records.read_shard(path)]
