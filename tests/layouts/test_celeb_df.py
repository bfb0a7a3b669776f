"""Celeb-DF: identities from the names, the testing list, in which 1 stands for real."""

import pytest

from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.layouts import celeb_df
from deepfake_tf.schema import FAKE, REAL
from deepfake_tf.splits import find_leak

FILES = [
    "Celeb-real/id10_0000.mp4",
    "Celeb-real/id13_0011.mp4",
    "Celeb-synthesis/id10_id13_0000.mp4",
    "Celeb-synthesis/id13_id10_0011.mp4",
    "YouTube-real/00169.mp4",
    "YouTube-real/00170.mp4",
]


@pytest.fixture
def root(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def by_id(entries):
    return {entry.video_id: entry for entry in entries}


def test_names_give_target_and_source(root):
    found = by_id(celeb_df.find_videos(root))
    assert sorted(found) == FILES
    fake = found["Celeb-synthesis/id13_id10_0011.mp4"]
    assert (fake.label, fake.identities) == (FAKE, ("id13", "id10"))
    assert fake.original_id == "Celeb-real/id13_0011.mp4"
    real = found["Celeb-real/id13_0011.mp4"]
    assert (real.label, real.identities, real.original_id) == (REAL, ("id13",), "")
    assert found["YouTube-real/00170.mp4"].identities == ("YouTube-real/00170",)
    assert {entry.split for entry in found.values()} == {""}


def test_the_list_is_test_and_the_rest_is_train(root):
    (root / "List_of_testing_videos.txt").write_text(
        "1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id13_id10_0011.mp4\n\n1 Celeb-real/id10_0000.mp4\n"
    )
    found = by_id(celeb_df.find_videos(root))
    assert [name for name in FILES if found[name].split == "test"] == [
        "Celeb-real/id10_0000.mp4",
        "Celeb-synthesis/id13_id10_0011.mp4",
        "YouTube-real/00170.mp4",
    ]
    assert [name for name in FILES if found[name].split == "train"] == [
        "Celeb-real/id13_0011.mp4",
        "Celeb-synthesis/id10_id13_0000.mp4",
        "YouTube-real/00169.mp4",
    ]
    # Celebrities are on both sides of the official list.
    assert "(train)" in find_leak(list(found.values()))


def test_a_copy_with_inner_folders_and_another_spelling(tmp_path):
    for name in ("Celeb-real/videos/id0_0000.mp4", "Youtube-real/videos/00170.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "List_of_testing_videos.txt").write_text("1 YouTube-real/00170.mp4\n")
    assert {entry.video_id: entry.split for entry in celeb_df.find_videos(tmp_path)} == {
        "Celeb-real/videos/id0_0000.mp4": "train",
        "Youtube-real/videos/00170.mp4": "test",
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 YouTube-real/00170.mp4", r"calls YouTube-real/00170\.mp4 fake"),
        ("1 YouTube-real/00999.mp4", r"1 videos .* are not there, the first is youtube-real/00999\.mp4"),
        ("YouTube-real/00170.mp4", "must have lines such as"),
        ("2 YouTube-real/00170.mp4", "must have lines such as"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(root, line, message):
    (root / "List_of_testing_videos.txt").write_text(line)
    with pytest.raises(DataError, match=message):
        celeb_df.find_videos(root)


def test_a_fake_without_two_celebrities_is_refused(root):
    (root / "Celeb-synthesis" / "id13_0011.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"must have a name such as id13_id10_0011\.mp4"):
        celeb_df.find_videos(root)


def test_another_data_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="none of the folders"):
        celeb_df.find_videos(tmp_path)
