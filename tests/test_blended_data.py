import shutil

import cv2
import numpy as np
import pytest

from deepfake_tf import blended_data, manifest, records
from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.batching.sampling import find_own_reals
from deepfake_tf.blended_data import BlendSettings, blend_data
from deepfake_tf.blending import Blend
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.schema import ClipSpec
from tests.clips_of_squares import SPEC, both_classes, write_data
from tests.test_photographs import FaceInTheMiddle
from tests.test_reconstructing import Inverting


@pytest.fixture
def source(tmp_path):
    return write_data(tmp_path / "source", {"train": both_classes("t", 3), "val": both_classes("v", 1)})


def pixels_of(clips, row):
    return np.stack([cv2.imdecode(np.frombuffer(one, np.uint8), 1) for one in clips.read(row)[0]]).astype(int)


def test_reals_stay_and_each_has_its_fakes(source, tmp_path):
    index = blend_data(source, tmp_path / "out", BlendSettings(fakes_per_clip=2))
    # 3 reals of two clips each, and as many fakes twice; fakes of the source are not taken.
    assert {split: index.num_clips(split) for split in index.shards} == {"train": 18, "val": 6}
    clips = list_clips(tmp_path / "out", ["train"])
    assert clips.label_counts() == {"real": 6, "fake": 12}
    assert {method for method, label in zip(clips.methods, clips.labels, strict=True) if label} == {"self_blended"}
    before = list_clips(source, ["train"])
    for row, own in find_own_reals(clips).items():
        (real,) = own
        assert clips.groups[row] == clips.groups[real]
        mask = clips.read(row)[1]
        np.testing.assert_array_equal(mask, clips.read(real)[1])
        difference = np.abs(pixels_of(clips, row) - pixels_of(clips, real)).mean(axis=(1, 2, 3))
        assert (difference[mask] > 0.2).all()
        assert not difference[~mask].any()
        # The real is that of the source, compressed once more.
        stored = before.example_ids.index(clips.example_ids[real])
        assert np.abs(pixels_of(clips, real) - pixels_of(before, stored)).mean() < 3


def test_reals_and_fakes_were_compressed_equally_often(source, tmp_path, monkeypatch):
    """Were a fake the real itself, nothing would tell the two apart."""
    monkeypatch.setattr(blended_data.SelfBlend, "__call__", lambda self, clip, seed, **face: _unchanged(clip))
    blend_data(source, tmp_path / "out", BlendSettings())
    clips = list_clips(tmp_path / "out", ["train"])
    for row, (real,) in find_own_reals(clips).items():
        assert clips.read(row)[0] == clips.read(real)[0]


def _unchanged(clip):
    return Blend(clip, np.zeros(clip.shape[:3], np.float32))


def test_one_seed_gives_the_same_bytes_and_finished_work_is_kept(source, tmp_path):
    paths = [tmp_path / name for name in ("one", "two", "three")]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        blend_data(source, path, BlendSettings(seed=seed))
    one, two, three = (records.shard_paths(path, "train")[0].read_bytes() for path in paths)
    assert one == two != three
    modified = (paths[0] / "index.json").stat().st_mtime_ns
    blend_data(source, paths[0], BlendSettings(seed=0))
    assert (paths[0] / "index.json").stat().st_mtime_ns == modified
    with pytest.raises(ConfigError, match="is there already, made from other clips"):
        blend_data(source, paths[0], BlendSettings(seed=1))


def test_faces_are_swapped_among_people(tmp_path):
    people = write_data(tmp_path / "people", {"train": both_classes("t", 3)})
    index = blend_data(people, tmp_path / "out", BlendSettings(fakes_per_clip=2, swapped=True))
    assert index.num_clips("train") == 18
    clips = list_clips(tmp_path / "out", ["train"])
    assert {method for method, label in zip(clips.methods, clips.labels, strict=True) if label} == {"swapped"}
    for row, (real,) in find_own_reals(clips).items():
        assert clips.groups[row] == clips.groups[real]
        mask = clips.read(row)[1]
        assert np.abs(pixels_of(clips, row) - pixels_of(clips, real))[mask].mean() > 0.2


def test_faces_are_drawn_by_autoencoders_that_learned_from_the_split_train(source, tmp_path, monkeypatch):
    learned, drawn = [], []

    class Counting(Inverting):
        def draw(self, name, faces):
            drawn.append(name)
            return super().draw(name, faces)

    def learn(faces, folder, **settings):
        learned.append((len(faces), faces.shape[1:], folder, settings["epochs"]))
        return Counting()

    monkeypatch.setattr(blended_data.autoencoders, "learn", learn)
    settings = BlendSettings(autoencoders=tmp_path / "drawing", autoencoder_epochs=7)
    index = blend_data(source, tmp_path / "out", settings)
    assert learned == [(6, (64, 64, 3), tmp_path / "drawing", 7)]
    assert {split: index.num_clips(split) for split in index.shards} == {"train": 12, "val": 4}
    assert len(drawn) == 8
    clips = list_clips(tmp_path / "out", ["train", "val"])
    assert set(clips.methods) == {"", "reconstructed"}
    for row, (real,) in find_own_reals(clips).items():
        mask = clips.read(row)[1]
        assert np.abs(pixels_of(clips, row) - pixels_of(clips, real))[mask].mean() > 0.2
    # A finished folder does not ask for them.
    blend_data(source, tmp_path / "out", settings)
    assert len(learned) == 1
    with pytest.raises(ConfigError, match="not both"):
        BlendSettings(autoencoders=tmp_path, swapped=True)


def test_faces_are_not_swapped_among_photographs_without_shards_or_with_oneself(source, tmp_path):
    (tmp_path / "photographs").mkdir()
    with pytest.raises(ConfigError, match="Make shards of it first"):
        blend_data(tmp_path / "photographs", tmp_path / "out", BlendSettings(swapped=True))
    # The split val has one person.
    with pytest.raises(DataError, match="two people or more"):
        blend_data(source, tmp_path / "out", BlendSettings(swapped=True))


def test_it_is_whole_or_not_there(source, tmp_path):
    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blend_data(source, tmp_path / "out", BlendSettings(), on_progress=stop)
    assert not (tmp_path / "out").exists()
    blend_data(source, tmp_path / "out", BlendSettings())
    assert not list(tmp_path.glob(".*"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for photographs, in each of which a face is found in the middle."""
    monkeypatch.setattr(blended_data.faces, "open_detector", lambda spec: FaceInTheMiddle())
    found = tmp_path / "photographs"
    found.mkdir()
    return found


def test_photographs_are_split_by_person(folder, tmp_path):
    random = np.random.default_rng(0)
    for number in range(24):
        picture = cv2.GaussianBlur(random.integers(0, 256, (80, 80, 3), dtype=np.uint8), (0, 0), 3)
        cv2.imwrite(str(folder / f"p{number % 12}_{number // 12}.png"), picture)
    (folder / "p0_2.png").write_bytes(b"no picture")
    spec = ClipSpec(num_frames=3, crop_size_px=32)
    index = blend_data(folder, tmp_path / "out", BlendSettings(spec=spec, group_regex=r"(p\d+)_"))
    assert sum(index.num_clips(split) for split in ("train", "val", "test")) == 48
    assert index.num_failed == 1
    assert "p0_2" in (tmp_path / "out" / "failures.csv").read_text()
    entries = manifest.read_manifest(tmp_path / "out" / "manifest.csv")
    splits_of = {}
    for entry in entries:
        splits_of.setdefault(entry.video_id.split("_")[0], set()).add(entry.split)
    assert all(len(found) == 1 for found in splits_of.values())
    assert {entry.split for entry in entries} == {"train", "val", "test"}
    assert list_clips(tmp_path / "out", ["train"]).read(0)[1].all()


def test_a_photograph_that_is_there_twice_is_in_one_split(folder, tmp_path):
    random = np.random.default_rng(1)
    for number in range(12):
        cv2.imwrite(str(folder / f"p{number}_0.png"), random.integers(0, 256, (80, 80, 3), dtype=np.uint8))
    for number in range(0, 12, 2):
        shutil.copy(folder / f"p{number}_0.png", folder / f"p{number + 1}_copy.png")
    spec = ClipSpec(num_frames=1, crop_size_px=32)
    blend_data(folder, tmp_path / "out", BlendSettings(fakes_per_clip=0, spec=spec, group_regex=r"(p\d+)_"))
    found = {one.video_id: (one.group, one.split) for one in manifest.read_manifest(tmp_path / "out" / "manifest.csv")}
    assert all(found[f"p{one}_0"] == found[f"p{one + 1}_copy"] == found[f"p{one + 1}_0"] for one in range(0, 12, 2))
    assert len({group for group, _ in found.values()}) == 6


def test_photographs_are_the_same_wherever_they_lie(folder, tmp_path):
    random = np.random.default_rng(1)
    settings = BlendSettings(spec=ClipSpec(num_frames=1, crop_size_px=32))
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), random.integers(0, 256, (80, 80, 3), dtype=np.uint8))
    made = blend_data(folder, tmp_path / "out", settings)
    moved = folder.rename(tmp_path / "there")
    assert blend_data(moved, tmp_path / "out", settings) == made
    # As many bytes, others.
    data = (moved / "0.png").read_bytes()
    (moved / "0.png").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ConfigError, match="made from other clips"):
        blend_data(moved, tmp_path / "out", settings)


def test_what_cannot_be_blended_is_an_error_in_words(tmp_path):
    with pytest.raises(ConfigError, match="no folder of shards"):
        blend_data(tmp_path / "nowhere", tmp_path / "out", BlendSettings())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no real clip"):
        blend_data(tmp_path / "empty", tmp_path / "out", BlendSettings())
    fakes = write_data(tmp_path / "fakes", {"train": [("a", 1)]}, spec=SPEC)
    with pytest.raises(DataError, match="no real clip"):
        blend_data(fakes, tmp_path / "out", BlendSettings())
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="fakes_per_clip must be 0"):
        BlendSettings(fakes_per_clip=-1)


def test_all_clips_of_a_video_are_made_in_one_way(source, tmp_path, monkeypatch):
    seeds = {}

    def blend(self, clip, seed, **face):
        seeds.setdefault(seed, []).append(clip)
        return _unchanged(clip)

    monkeypatch.setattr(blended_data.SelfBlend, "__call__", blend)
    blend_data(source, tmp_path / "out", BlendSettings(fakes_per_clip=2))
    entries = manifest.read_manifest(tmp_path / "out" / "manifest.csv")
    assert len(seeds) == sum(one.label == 1 for one in entries)
    assert {len(clips) for clips in seeds.values()} == {2}


def test_a_video_wears_one_face_and_the_manifest_says_whose(tmp_path, monkeypatch):
    people = write_data(tmp_path / "people", {"train": [(f"p{number}", 0) for number in range(4)]})
    told = []
    swap = blended_data.FaceSwap.__call__

    def watched(self, clip, seed, **told_of):
        made = swap(self, clip, seed, **told_of)
        told.append((told_of["source"], made.source))
        return made

    monkeypatch.setattr(blended_data.FaceSwap, "__call__", watched)
    blend_data(people, tmp_path / "out", BlendSettings(fakes_per_clip=3, swapped=True))
    # Two clips a video: the second wears what the first was given.
    first, second = ([one for one in told if bool(one[0]) == later] for later in (False, True))
    assert len(first) == len(second) == 4 * 3
    assert all(asked == given for asked, given in second)
    entries = {one.video_id: one for one in manifest.read_manifest(tmp_path / "out" / "manifest.csv")}
    fakes = [one for one in entries.values() if one.label == 1]
    assert sorted(one.attributes[manifest.SOURCE_GROUP] for one in fakes) == sorted(given for _, given in first)
    assert all(one.attributes[manifest.SOURCE_GROUP] != one.group for one in fakes)
