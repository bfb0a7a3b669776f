import base64
import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from deepfake_tf import contact_sheet, records
from deepfake_tf.contact_sheet import Look, Row, Section, Strip, draw, write_sheet
from deepfake_tf.errors import ConfigError, DataError
from tests.clips_of_squares import both_classes, write_data
from tests.numbered import write_video
from tests.portraits import scene


def pictures(path):
    urls = re.findall(r"src='data:image/jpeg;base64,([^']+)'", path.read_text())
    return [cv2.imdecode(np.frombuffer(base64.b64decode(url), np.uint8), cv2.IMREAD_COLOR_RGB) for url in urls]


def test_a_sheet_holds_its_pictures_and_nothing_else_is_needed(tmp_path):
    frames = np.stack([np.full((20, 20, 3), level, np.uint8) for level in (0, 120, 240)])
    section = Section("a < b", (Row("one & two", (Strip("left", frames), Strip("right", frames[:1]))),))
    write_sheet(tmp_path / "sheet.html", "t", [section])
    film, single = pictures(tmp_path / "sheet.html")
    np.testing.assert_allclose(film.reshape(20, 3, 20, 3).mean(axis=(0, 2, 3)), [0, 120, 240], atol=4)
    assert single.shape == (20, 20, 3)
    text = (tmp_path / "sheet.html").read_text()
    assert "a &lt; b: 1 clip<" in text
    assert "one &amp; two" in text
    assert text.count("src=") == text.count("src='data:image/jpeg;base64,") == 2
    assert not re.search("href=|url[(]|<script", text)


def test_a_long_clip_is_thinned_and_a_large_one_shrunk(tmp_path):
    strip = Strip("long", np.zeros((32, 224, 224, 3), np.uint8))
    write_sheet(tmp_path / "sheet.html", "t", [Section("s", (Row("r", (strip,)),))])
    assert pictures(tmp_path / "sheet.html")[0].shape == (112, 8 * 112, 3)


def test_a_data_folder_is_shown_by_label_beside_its_augmentation(tmp_path):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 4)})
    sections = draw(data, tmp_path / "sheet.html", Look(recipe="basic", num_clips=3))
    assert [(section.title, len(section.rows)) for section in sections] == [
        ("real", 3),
        ("fake", 3),
        ("self-blended", 3),
    ]
    # Fakes have a bright square.
    brightness = {s.title: np.mean([row.strips[0].frames[0, 6:10, 6:10] for row in s.rows]) for s in sections[:2]}
    assert brightness["fake"] > brightness["real"] + 40
    assert len(pictures(tmp_path / "sheet.html")) == 3 * 2 + 3 * 2 + 3 * 4


def test_few_clips_of_one_video_are_taken_and_no_more_is_read_than_must():
    def found():
        for video, label in (("a", 0), ("b", None), ("c", 1), ("d", 0), ("e", 1)):
            for number in range(5):
                clip = SimpleNamespace(clip_id=f"0/{number}")
                yield SimpleNamespace(name=f"{video}/0/{number}", label=-1 if label is None else label, clip=clip)
        raise AssertionError("read to the end")

    names = [one.name for one in contact_sheet._choose(found(), 3)]
    assert names == ["a/0/0", "a/0/1", "c/0/0", "c/0/1", "d/0/0", "e/0/0"]


def test_one_seed_gives_one_sheet(tmp_path):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 4)})
    pages = []
    for seed in (0, 0, 1):
        draw(data, tmp_path / "sheet.html", Look(recipe="robust", num_clips=2, seed=seed))
        pages.append((tmp_path / "sheet.html").read_text())
    assert pages[0] == pages[1] != pages[2]


def test_what_is_missing_stays_blank(tmp_path):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 2)})
    sections = draw(data, tmp_path / "sheet.html", Look(recipe="robust"))
    with_gap = [row for section in sections for row in section.rows if row.caption.endswith("/1")]
    assert with_gap
    assert not any(strip.frames[-1].any() for row in with_gap for strip in row.strips)


def test_one_shard_can_be_looked_at(tmp_path):
    data = write_data(tmp_path / "data", {"train": [("a", 0)], "val": both_classes("v", 1)})
    shard = records.shard_paths(data, "train")[0]
    sections = draw(shard, tmp_path / "sheet.html", Look())
    assert [section.title for section in sections] == ["real", "self-blended"]


def test_photographs_become_moving_clips_and_others_are_passed_over(tmp_path, monkeypatch):
    from tests.test_photographs import FaceInTheMiddle

    monkeypatch.setattr(contact_sheet.faces, "open_detector", lambda spec: FaceInTheMiddle())
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8), (0, 0), 3)
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(tmp_path / name), picture)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    sections = draw(tmp_path, tmp_path / "sheet.html", Look(recipe="none"))
    assert [(section.title, len(section.rows)) for section in sections] == [("real", 2), ("self-blended", 2)]


def test_what_cannot_be_looked_at_is_an_error_in_words(tmp_path):
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(ConfigError, match="cannot be looked at. Expected a folder of shards"):
        draw(tmp_path / "nowhere", tmp_path / "sheet.html", Look())
    with pytest.raises(DataError, match="text.txt gives no clip: UNREADABLE. text.txt is no video"):
        draw(tmp_path / "text.txt", tmp_path / "sheet.html", Look())
    assert not (tmp_path / "sheet.html").exists()


def test_a_video_shows_its_faces_marked_and_its_crops_by_track(tmp_path):
    def two_faces(number):
        return scene([(40 + 2 * number, 60), (380, 120)], scale=0.8)

    path = write_video(tmp_path / "two.mp4", num_frames=24, draw=two_faces)
    sections = draw(path, tmp_path / "sheet.html", Look())
    titles = [section.title for section in sections]
    assert titles == ["a face in 24 of 24 sampled frames", "track 0", "track 1"]
    assert [len(section.rows) for section in sections] == [3, 3, 3]
    frames = sections[0].rows[0].strips[0].frames
    assert frames.shape == (4, 360, 640, 3)
    # A box is drawn in the colour of its track, left and right.
    green = np.abs(frames.astype(int) - (0, 230, 0)).sum(axis=-1) < 90
    yellow = np.abs(frames.astype(int) - (255, 210, 0)).sum(axis=-1) < 90
    sides = {bool(green[0, :, :320].sum() > 100), bool(green[0, :, 320:].sum() > 100)}
    assert sides == {True, False}
    assert yellow[0].sum() > 100
    assert len(pictures(tmp_path / "sheet.html")) == 9


def test_an_empty_folder_or_split_is_an_error_in_words(tmp_path):
    with pytest.raises(DataError, match="no labelled clip"):
        draw(tmp_path, tmp_path / "sheet.html", Look())
    data = write_data(tmp_path / "data", {"train": [("a", None)]})
    with pytest.raises(DataError, match="no labelled clip"):
        draw(data, tmp_path / "sheet.html", Look())
    with pytest.raises(ConfigError, match="num_clips must be 1 or more"):
        Look(num_clips=0)
