import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from deepfake_tf import records
from deepfake_tf.errors import DataError
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.protos import wire_pb2
from deepfake_tf.records import DataIndex, ShardInfo
from deepfake_tf.schema import NO_LABEL, Clip, ClipSpec

ROOT = Path(__file__).parent.parent
SPEC = ClipSpec(num_frames=3)
INFO = SimpleNamespace(fps=29.97, width=640, height=360)
ENTRY = VideoEntry("set/fake/é 漢.mp4", Path("/x.mp4"), label=1, group="people of é")


def make_clip(seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=(3, *shape)).astype(np.float32)

    return Clip(
        clip_id="1/7",
        track_id=1,
        crops=(b"\xff\xd8one", b"", b"\x00three"),
        mask=np.array([True, False, True]),
        timestamps_us=np.array([-40_000, 0, 2**40]),
        frame_indices=np.array([0, 0, 99]),
        boxes_xyxy_px=floats(4),
        keypoints_crop_px=floats(6, 2),
        confidences=floats(),
        sharpness=floats(),
    )


def assert_same_clip(found: Clip, expected: Clip) -> None:
    for one in fields(Clip):
        values = getattr(found, one.name), getattr(expected, one.name)
        if isinstance(values[0], np.ndarray):
            assert values[0].dtype == values[1].dtype
            np.testing.assert_array_equal(*values, strict=True)
        else:
            assert values[0] == values[1]


def test_a_record_gives_back_what_was_put_in():
    clip = make_clip()
    record = records.decode_clip(records.encode_clip(clip, ENTRY, SPEC, INFO))
    assert_same_clip(record.clip, clip)
    assert record.example_id == "set/fake/é 漢.mp4/1/7"
    assert (record.video_id, record.label, record.group) == (ENTRY.video_id, 1, ENTRY.group)
    assert (record.width, record.height) == (640, 360)
    assert record.fps == pytest.approx(29.97)


def test_unlabelled_video_has_no_label():
    data = records.encode_clip(make_clip(), replace(ENTRY, label=None), SPEC, INFO)
    assert records.decode_clip(data).label == NO_LABEL


def test_clip_of_another_length_is_refused():
    with pytest.raises(ValueError, match="must have 8 crops. Received: 3"):
        records.encode_clip(make_clip(), ENTRY, ClipSpec(), INFO)


def test_bytes_are_the_same_in_another_process():
    code = "from tests.test_records import *; print(records.encode_clip(make_clip(), ENTRY, SPEC, INFO).hex())"
    environment = {"PYTHONHASHSEED": "12345", "PATH": ""}
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert other.stdout.decode().strip() == records.encode_clip(make_clip(), ENTRY, SPEC, INFO).hex()


@pytest.mark.parametrize("data", [b"no message", b"", b"\x0a\x00"])
def test_bytes_that_are_no_record_are_refused(data):
    with pytest.raises(DataError, match="The record"):
        records.decode_clip(data)


def test_record_of_another_version_is_refused_with_a_way_out():
    example = wire_pb2.SequenceExample.FromString(records.encode_clip(make_clip(), ENTRY, SPEC, INFO))
    example.context.feature["schema_version"].int64_list.value[0] = 99
    with pytest.raises(DataError, match="version 99; this program reads version 1. Extract"):
        records.decode_clip(example.SerializeToString())


@hypothesis.given(st.lists(st.binary(max_size=2000), max_size=5))
@hypothesis.settings(deadline=None, max_examples=30)
def test_shard_gives_back_its_records(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("shards") / "a.tfrecord"
    assert records.write_shard(path, iter(data)) == len(data)
    assert list(records.read_shard(path)) == data
    assert path.stat().st_size == sum(len(one) + 16 for one in data)


def test_any_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "a.tfrecord"
    records.write_shard(path, [b"first record", b"second"])
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(DataError, match=r"a\.tfrecord is damaged or cut short at byte"):
            list(records.read_shard(path))


def test_any_missing_end_is_noticed(tmp_path):
    path = tmp_path / "a.tfrecord"
    records.write_shard(path, [b"first record", b"second"])
    whole = path.read_bytes()
    between = len(b"first record") + 16
    for size in set(range(1, len(whole))) - {between}:
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="cut short"):
            list(records.read_shard(path))


def test_failed_shard_leaves_nothing(tmp_path):
    def broken():
        yield b"one"
        raise DataError("the second is broken")

    with pytest.raises(DataError, match="the second"):
        records.write_shard(tmp_path / "a.tfrecord", broken())
    assert not list(tmp_path.iterdir())


def test_missing_shard_is_named(tmp_path):
    with pytest.raises(DataError, match=r"There is no shard .*b\.tfrecord"):
        list(records.read_shard(tmp_path / "b.tfrecord"))


@pytest.mark.slow
def test_tensorflow_reads_our_shards_and_we_read_its(tmp_path):
    import tensorflow as tf

    path = tmp_path / "ours.tfrecord"
    clip = make_clip()
    records.write_shard(path, [records.encode_clip(clip, ENTRY, SPEC, INFO)])
    (data,) = [one.numpy() for one in tf.data.TFRecordDataset(str(path))]
    context, lists = tf.io.parse_single_sequence_example(
        data,
        {
            "clip/label/index": tf.io.FixedLenFeature([], tf.int64),
            "clip/media_id": tf.io.FixedLenFeature([], tf.string),
        },
        {
            "image/encoded": tf.io.FixedLenSequenceFeature([], tf.string),
            "face/box_xyxy_px": tf.io.FixedLenSequenceFeature([4], tf.float32),
        },
    )
    assert context["clip/label/index"].numpy() == 1
    assert context["clip/media_id"].numpy().decode() == ENTRY.video_id
    assert tuple(lists["image/encoded"].numpy()) == clip.crops
    np.testing.assert_array_equal(lists["face/box_xyxy_px"], clip.boxes_xyxy_px)

    with tf.io.TFRecordWriter(str(tmp_path / "theirs.tfrecord")) as writer:
        for one in (b"", b"x" * 100_000):
            writer.write(one)
    assert list(records.read_shard(tmp_path / "theirs.tfrecord")) == [b"", b"x" * 100_000]


INDEX = DataIndex(
    spec=SPEC,
    shards={"train": (ShardInfo("train-00000-of-00001.tfrecord", 3, 7, 100, "ab"), ShardInfo("b", 1, 2, 3, "cd"))},
    num_failed=1,
)


def test_index_survives_its_file(tmp_path):
    records.write_index(tmp_path, INDEX)
    assert records.read_index(tmp_path) == INDEX
    assert INDEX.num_clips("train") == 9
    assert INDEX.num_clips("val") == 0


def test_fingerprint_changes_with_a_shard_and_not_with_the_folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        records.write_index(tmp_path / name, INDEX)
    assert records.read_index(tmp_path / "a").fingerprint() == records.read_index(tmp_path / "b").fingerprint()
    other = replace(INDEX, shards={"train": (replace(INDEX.shards["train"][0], sha256="ff"),)})
    assert other.fingerprint() != INDEX.fingerprint()


def test_shard_paths_lie_in_the_folder(tmp_path):
    records.write_index(tmp_path, INDEX)
    assert records.shard_paths(tmp_path, "train") == [tmp_path / "train-00000-of-00001.tfrecord", tmp_path / "b"]
    with pytest.raises(DataError, match="no clips of split 'val'. It has: train"):
        records.shard_paths(tmp_path, "val")


def test_unfinished_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no finished extraction.*Run pipelines\.extract"):
        records.read_index(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"record_version": 1}'])
def test_damaged_index_is_refused(tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(DataError, match="is damaged"):
        records.read_index(tmp_path)


def test_index_of_another_version_is_refused(tmp_path):
    (tmp_path / "index.json").write_text(json.dumps({"record_version": 2}))
    with pytest.raises(DataError, match="version 2; this program reads version 1"):
        records.read_index(tmp_path)
