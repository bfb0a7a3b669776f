"""Folders of face pictures: labels, splits and people from the path."""

import pytest

from deepfake_tf import layouts
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import crop_folders
from deepfake_tf.schema import FAKE, REAL

FILES = [
    "fake_test/1/fake/12/0.png",
    "fake_test/1/fake/12/1.png",
    "fake_test/1/fake/13/0.png",
    "real_train/1/real/0/0.jpg",
    "real_train/2/real/0/0.jpg",
    "real_train/2/notes.txt",
]


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def by_id(entries):
    return {entry.video_id: entry for entry in entries}


def test_each_folder_of_pictures_is_a_video(tmp_path):
    found = by_id(crop_folders.find_videos(touch(tmp_path, *FILES)))
    assert {name: (entry.label, entry.split, entry.identities) for name, entry in found.items()} == {
        "fake_test/1/fake/12": (FAKE, "test", ("fake_test/1",)),
        "fake_test/1/fake/13": (FAKE, "test", ("fake_test/1",)),
        "real_train/1/real/0": (REAL, "train", ("real_train/1",)),
        "real_train/2/real/0": (REAL, "train", ("real_train/2",)),
    }
    assert found["fake_test/1/fake/12"].path == tmp_path / "fake_test" / "1" / "fake" / "12"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("real/a/0.png", (REAL, "", ())),
        ("train/fake/a/0.png", (FAKE, "train", ())),
        ("Fake_Val/someone/a/0.png", (FAKE, "val", ("Fake_Val/someone",))),
        ("people/ann/real/0.png", (REAL, "", ("people/ann",))),
    ],
)
def test_other_orders_of_folders(tmp_path, name, expected):
    (entry,) = crop_folders.find_videos(touch(tmp_path, name))
    assert (entry.label, entry.split, entry.identities) == expected


def test_people_by_regular_expression(tmp_path):
    touch(tmp_path, "real/id7_a/0.png", "fake/id7_id9/0.png")
    found = by_id(crop_folders.find_videos(tmp_path, group_regex=r"(id\d+)_(id\d+)?"))
    assert found["fake/id7_id9"].identities == ("id7", "id9")
    assert found["real/id7_a"].identities == ("id7",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a/b/0.png", "a/b must name one label real or fake. Received: none"),
        ("real/fake/0.png", "must name one label real or fake. Received: fake, real"),
        ("train/test/real/0.png", "must name one split. Received: test, train"),
    ],
)
def test_paths_without_one_label_are_refused(tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        crop_folders.find_videos(touch(tmp_path, name))


def test_no_pictures(tmp_path):
    with pytest.raises(ConfigError, match="has no folders of pictures"):
        crop_folders.find_videos(touch(tmp_path, "real/a.mp4"))


def test_folders_with_the_same_pictures_are_equal(tmp_path):
    for name in ("fake_train/1/a", "fake_train/2/b", "real_train/3/c"):
        touch(tmp_path, f"set/{name}/1.png", f"set/{name}/2.png")
        for number in (1, 2):
            (tmp_path / "set" / name / f"{number}.png").write_text(f"{number} {name.startswith('real')}")
    settings = layouts.ManifestSettings("set")
    entries = layouts.make_manifest("crop_folders", tmp_path / "set", tmp_path / "m.csv", settings=settings)
    one, other, real = (entry.sha256 for entry in entries)
    assert one == other != real
    assert entries[0].group == entries[1].group
