"""DeeperForensics: originals of FaceForensics++ and actors from the names, variants, official lists."""

import dataclasses

import pytest

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import deeperforensics, faceforensics
from deepfake_tf.schema import FAKE, REAL
from deepfake_tf.splits import assign_groups

FILES = [
    "manipulated_videos/end_to_end/000_M101.mp4",
    "manipulated_videos/end_to_end/001_W004.mp4",
    "manipulated_videos/end_to_end_level_3/000_M101.mp4",
    "manipulated_videos/end_to_end_mix_2_distortions/001_W004.mp4",
    "manipulated_videos/reenact_postprocess/000_M101.mp4",
    "source_videos/M101/BlendShape/camera_front/M101_BlendShape_camera_front.mp4",
    "source_videos/W004/light_up/happy/camera_left/W004_light_up_happy_camera_left.mp4",
]


@pytest.fixture
def root(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def write_lists(root, **names):
    (root / "lists" / "splits").mkdir(parents=True)
    for split in ("train", "val", "test"):
        (root / "lists" / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names.get(split, ())))


def by_id(entries):
    return {entry.video_id: entry for entry in entries}


def test_fakes_name_their_original_their_actor_and_how_they_were_disturbed(root):
    found = by_id(deeperforensics.find_videos(root))
    assert sorted(found) == FILES[:5]
    assert {entry.label for entry in found.values()} == {FAKE}
    assert found[FILES[0]].identities == ("faceforensics:000", "M101")
    assert [(found[name].method, found[name].attributes["disturbance"]) for name in FILES[:5]] == [
        ("end_to_end", ""),
        ("end_to_end", ""),
        ("end_to_end", "level_3"),
        ("end_to_end", "mix_2_distortions"),
        ("reenact_postprocess", ""),
    ]


def test_lists_give_every_variant_and_the_actors_their_split(root):
    write_lists(root, train=["001_W004.mp4"], test=["000_M101.mp4"])
    found = by_id(deeperforensics.find_videos(root, with_source_videos=True))
    assert [found[name].split for name in FILES] == ["test", "train", "test", "train", "test", "test", "train"]
    assert (found[FILES[5]].label, found[FILES[5]].identities) == (REAL, ("M101",))


def test_fakes_join_their_originals_in_faceforensics(root, tmp_path_factory):
    originals = tmp_path_factory.mktemp("ff")
    (originals / "original").mkdir()
    (originals / "original" / "000.mp4").write_bytes(b"")
    both = [
        *[dataclasses.replace(one, dataset="deeper") for one in deeperforensics.find_videos(root)],
        *[dataclasses.replace(one, dataset="ff") for one in faceforensics.find_videos(originals)],
    ]
    groups = {entry.path.name: entry.group for entry in assign_groups(both)}
    assert groups["000.mp4"] == groups["000_M101.mp4"] != groups["001_W004.mp4"]


def test_variants_can_be_chosen(root):
    found = deeperforensics.find_videos(root, variant=["reenact_postprocess"])
    assert [entry.video_id for entry in found] == [FILES[4]]
    with pytest.raises(ConfigError, match="no manipulated_videos/end_to_end_level_9"):
        deeperforensics.find_videos(root, variant=["end_to_end_level_9"])


def test_lists_that_contradict_each_other_or_lack_one_are_refused(root):
    write_lists(root, train=["000_M101.mp4"], test=["000_M101.mp4"])
    with pytest.raises(DataError, match=r"is in train\.txt and in test\.txt"):
        deeperforensics.find_videos(root)
    (root / "lists" / "splits" / "val.txt").unlink()
    with pytest.raises(DataError, match=r"val\.txt is not there"):
        deeperforensics.find_videos(root)


@pytest.mark.parametrize("name", ["manipulated_videos/end_to_end/000.mp4", "source_videos/M101/front.mp4"])
def test_other_names_are_refused(root, name):
    (root / name).write_bytes(b"")
    with pytest.raises(DataError, match="must have a name such as"):
        deeperforensics.find_videos(root, with_source_videos=True)


def test_another_data_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no manipulated_videos\. It has: none"):
        deeperforensics.find_videos(tmp_path)
