"""FaceForensics++: target and source from the name, methods, compressions, the official lists."""

import json

import pytest

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import faceforensics
from deepfake_tf.schema import FAKE, REAL
from deepfake_tf.splits import assign_groups, find_leak

FILES = [
    "original_sequences/youtube/c23/videos/000.mp4",
    "original_sequences/youtube/c23/videos/003.mp4",
    "original_sequences/youtube/raw/videos/000.mp4",
    "original_sequences/youtube/c23/videos/004.mp4",
    "original_sequences/actors/c23/videos/01__kitchen_pan.mp4",
    "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
    "manipulated_sequences/Deepfakes/raw/videos/003_000.mp4",
    "manipulated_sequences/NeuralTextures/c40/videos/004_982.mp4",
    "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4",
    "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__kitchen_pan__YVGY8LOK.mp4",
]


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def write_lists(folder, *, train=(), val=(), test=()):
    folder.mkdir(parents=True, exist_ok=True)
    for name, pairs in (("train", train), ("val", val), ("test", test)):
        (folder / f"{name}.json").write_text(json.dumps([list(pair) for pair in pairs]))


@pytest.fixture
def root(tmp_path):
    touch(tmp_path, *FILES)
    return tmp_path


def by_id(entries):
    return {entry.video_id: entry for entry in entries}


def test_names_and_folders_give_label_method_and_people(root):
    found = by_id(faceforensics.find_videos(root))
    # Neither masks nor the actors of DeepFakeDetection.
    assert sorted(found) == sorted(name for name in FILES if "masks" not in name and "__" not in name)
    fake = found["manipulated_sequences/Deepfakes/c23/videos/000_003.mp4"]
    assert (fake.label, fake.method, fake.attributes["compression"]) == (FAKE, "Deepfakes", "c23")
    assert fake.identities == ("faceforensics:000", "faceforensics:003")
    original = found["original_sequences/youtube/raw/videos/000.mp4"]
    assert (original.label, original.method, original.attributes["compression"]) == (REAL, "", "c0")
    assert original.identities == ("faceforensics:000",)


def test_the_original_is_the_target_in_the_same_compression(root):
    found = by_id(faceforensics.find_videos(root))
    assert (
        found["manipulated_sequences/Deepfakes/c23/videos/000_003.mp4"].original_id
        == "original_sequences/youtube/c23/videos/000.mp4"
    )
    # 003 is not there in raw, nor 004 in c40.
    assert found["manipulated_sequences/Deepfakes/raw/videos/003_000.mp4"].original_id == ""
    assert found["manipulated_sequences/NeuralTextures/c40/videos/004_982.mp4"].original_id == ""


def test_a_fake_joins_its_target_and_its_source(root):
    found = by_id(assign_groups(faceforensics.find_videos(root)))
    groups = {video_id: entry.group for video_id, entry in found.items()}
    with_000 = {group for video_id, group in groups.items() if "000" in video_id or "003" in video_id}
    assert with_000 == {"faceforensics:000"}
    assert groups["original_sequences/youtube/c23/videos/004.mp4"] == "faceforensics:004"


@pytest.mark.parametrize("place", ["", "splits", "dataset/splits"])
def test_official_lists_are_found_below_the_root(root, place):
    write_lists(root / place, val=[("004", "982")], test=[("003", "000")])
    found = by_id(faceforensics.find_videos(root))
    assert found["original_sequences/youtube/c23/videos/000.mp4"].split == "test"
    # In the list the pair stands the other way round.
    assert found["manipulated_sequences/Deepfakes/c23/videos/000_003.mp4"].split == "test"
    assert found["manipulated_sequences/NeuralTextures/c40/videos/004_982.mp4"].split == "val"
    assert find_leak(list(found.values())) == ""


def test_lists_elsewhere_are_named_by_a_flag(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("lists")
    with pytest.raises(ConfigError, match=r"must hold train\.json"):
        faceforensics.find_videos(root, splits_dir=elsewhere)
    write_lists(elsewhere, train=[("000", "003")])
    splits = {entry.split for entry in faceforensics.find_videos(root, splits_dir=elsewhere)}
    assert splits == {"train", ""}


def test_lists_that_contradict_each_other_are_refused(root):
    write_lists(root, train=[("000", "003")], test=[("003", "004")])
    with pytest.raises(DataError, match=r"003 is in train\.json and in test\.json"):
        faceforensics.find_videos(root)


def test_a_list_of_something_else_is_refused(root):
    write_lists(root)
    (root / "val.json").write_text('["000"]')
    with pytest.raises(DataError, match="must be a list of pairs"):
        faceforensics.find_videos(root)


def test_originals_cut_from_one_youtube_video_join(root):
    (root / "conversion_dict.json").write_text(json.dumps({"000": "DzXvTsnhhZ8 0", "004": "DzXvTsnhhZ8 1"}))
    write_lists(root, val=[("004", "982")], test=[("000", "003")])
    found = faceforensics.find_videos(root)
    assert len({entry.group for entry in assign_groups(found)}) == 1
    assert "'youtube:DzXvTsnhhZ8'" in find_leak(found)


def test_compressions_and_methods_can_be_chosen(root):
    found = by_id(faceforensics.find_videos(root, compression=["c23"], method=["Deepfakes"]))
    assert sorted(found) == [
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
        "original_sequences/youtube/c23/videos/000.mp4",
        "original_sequences/youtube/c23/videos/003.mp4",
        "original_sequences/youtube/c23/videos/004.mp4",
    ]
    with pytest.raises(ConfigError, match=r"no fakes by FaceShifter\. It has: Deepfakes, NeuralTextures"):
        faceforensics.find_videos(root, method=["FaceShifter"])


def test_copies_without_the_inner_folders_are_read(tmp_path):
    touch(tmp_path, "original/000.mp4", "FaceSwap/000_003.mp4")
    fake, original = faceforensics.find_videos(tmp_path)
    assert (fake.label, fake.method, fake.original_id) == (FAKE, "FaceSwap", original.video_id)
    assert (original.label, original.attributes["compression"]) == (REAL, "")


def test_another_data_set_is_refused(tmp_path):
    touch(tmp_path, "real/holiday.mp4")
    with pytest.raises(ConfigError, match=r"no videos of FaceForensics\+\+"):
        faceforensics.find_videos(tmp_path)
