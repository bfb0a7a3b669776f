import collections
import dataclasses

import numpy as np
import pytest

from deepfake_tf import blended_data
from deepfake_tf.batching.sampling import find_own_reals
from deepfake_tf.errors import DataError
from deepfake_tf.generalising import ingredients
from deepfake_tf.generalising.ingredients import Recipe
from deepfake_tf.generalising.material import FAKES_PER_PHOTOGRAPH, KINDS, Material, sort_out
from deepfake_tf.manifest import VideoEntry, read_manifest
from tests.clips_of_squares import both_classes, write_data
from tests.test_reconstructing import Inverting

PEOPLE = {"val": both_classes("w", 2), "test": both_classes("u", 2)}


def entry(name, label, group):
    return VideoEntry(name, None, label=label, group=group)


def test_matched_groups_are_set_apart():
    entries = [
        *(entry("a", 0, "x"), entry("b", 1, "x"), entry("c", 0, "x")),
        *(entry("d", 0, "y"), entry("e", 1, "z"), entry("f", None, "x")),
        *(entry("g", 0, "w"), entry("h", 1, "w"), entry("i", 0, "v")),
    ]
    assert {one.video_id: one.split for one in sort_out(entries)} == {
        **dict.fromkeys("abcgh", "test"),
        **dict.fromkeys("dei", "train"),
    }


@pytest.mark.parametrize(
    "entries",
    [
        [entry("a", 0, "x"), entry("b", 1, "y")],
        [entry("a", 0, "x"), entry("b", 1, "x")],
        [entry("a", 0, ""), entry("b", 1, ""), entry("c", 0, "x")],
        [*(entry(f"r{group}", 0, group) for group in "xyz"), entry("f", 1, "x")],
        [*(entry(f"r{group}", 0, group) for group in "xyz"), entry("f", 1, "x"), entry("g", 1, "y")],
    ],
)
def test_too_little_is_said_before_any_work(entries):
    with pytest.raises(DataError, match="matched pairs"):
        sort_out(entries)


def test_fakes_of_two_kinds_can_be_learned_from_together(tmp_path, monkeypatch):
    monkeypatch.setattr(blended_data.autoencoders, "learn", lambda *data, **settings: Inverting())
    material = Material(tmp_path)
    write_data(material.folder / "photographs", {"train": both_classes("t", 3), **PEOPLE})
    write_data(material.folder / "videos", {"train": both_classes("v", 2)})
    recipe, told = Recipe(), []
    material.make_fakes(lambda done, of: told.append((done, of)))
    assert told[-1][0] == 4
    clips = material.to_learn_from(recipe, ())
    num_photographs, num_videos = 6 + 4 + 4, 4
    assert clips.label_counts() == {
        "real": num_photographs + num_videos,
        "fake": 2 * (num_photographs * FAKES_PER_PHOTOGRAPH + num_videos),
    }
    assert set(clips.methods) == {"", "swapped", "reconstructed"}
    # Each is learned from beside its own real.
    for fake, (real,) in find_own_reals(clips).items():
        assert clips.original_ids[fake] == clips.video_ids[real]


def test_photographs_of_too_few_people_are_refused(tmp_path):
    material = Material(tmp_path)
    write_data(material.folder / "photographs", {"train": both_classes("t", 3), "val": both_classes("v", 2)})
    with pytest.raises(DataError, match="Received: train, val; expected train, val, test"):
        material.make_fakes(lambda done, of: None)
    assert not (tmp_path / "swapped").exists()


def test_what_is_learned_from_follows_from_the_recipe(clips, tmp_path, monkeypatch):
    def some(kind, label):
        found = clips.select(np.flatnonzero(clips.labels == label))
        return dataclasses.replace(found, example_ids=tuple(f"{kind}-{name}" for name in found.example_ids))

    material, num_real = Material(tmp_path), clips.label_counts()["real"]
    made = {"swapped": clips, "reconstructed": some("drawn", 1)}
    monkeypatch.setattr(Material, "made", lambda own, kind: made[kind])
    vars(material).update(videos=clips, photographs=some("photographs", 0))

    def counts(**settings):
        recipe = dataclasses.replace(ingredients.find("self_blended").added_to(Recipe()), **settings)
        return material.to_learn_from(recipe, ()).label_counts()

    assert counts() == {"real": 2 * num_real, "fake": 0}
    assert counts(videos=False) == {"real": num_real, "fake": 0}
    num_fake = len(clips) - num_real
    assert counts(swapped=True, videos=False) == {"real": num_real, "fake": num_fake}
    # The photographs come once.
    assert counts(swapped=True, reconstructed=True, videos=False) == {"real": num_real, "fake": 2 * num_fake}
    assert counts(real_fakes=True) == {"real": 2 * num_real, "fake": len(clips) - num_real}


def test_people_held_out_come_with_as_many_fakes_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(blended_data.autoencoders, "learn", lambda *data, **settings: Inverting())
    material = Material(tmp_path)
    write_data(material.folder / "photographs", {"train": both_classes("t", 3), **PEOPLE})
    for split in ("val", "test"):
        clips = material.held_out(split)
        assert set(clips.groups) == {f"group-{name}" for name, label in PEOPLE[split] if label == 0}
        methods = collections.Counter(clips.methods)
        assert methods == {"": 4, **dict.fromkeys(KINDS, 4 * FAKES_PER_PHOTOGRAPH)}
        for fake, (real,) in find_own_reals(clips).items():
            assert clips.original_ids[fake] == clips.video_ids[real]


def test_every_real_video_has_a_fake_of_each_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(blended_data.autoencoders, "learn", lambda *data, **settings: Inverting())
    material = Material(tmp_path)
    write_data(material.folder / "photographs", {"train": both_classes("t", 3), **PEOPLE})
    write_data(material.folder / "videos", {"train": both_classes("v", 2), "test": both_classes("x", 2)})
    material.make_fakes(lambda done, of: None)
    reals = {name for name, label in (*both_classes("v", 2), *both_classes("x", 2)) if label == 0}
    made = dict(zip(material.of_videos.video_ids, material.of_videos.methods, strict=True))
    assert {name for name, method in made.items() if not method} == reals
    assert set(made) == reals | {f"{name}~{kind}~0" for name in reals for kind in KINDS}


def test_whose_face_a_fake_wears_is_held_out_as_well(tmp_path):
    material = Material(tmp_path)
    write_data(material.folder / "photographs", {"train": both_classes("t", 3), **PEOPLE})
    write_data(material.folder / "videos", {"train": both_classes("v", 4)})
    recipe = ingredients.find("swapped").added_to(Recipe())
    folders = [tmp_path / "swapped", tmp_path / "of_videos" / "swapped"]
    whole = material.to_learn_from(recipe, ())
    wears = {one.video_id: one.attributes for folder in folders for one in read_manifest(folder / "manifest.csv")}
    for group in ("group-t0", "group-v2"):
        some = material.to_learn_from(recipe, [group])
        gone = set(whole.video_ids) - set(some.video_ids)
        worn = {name for name in wears if group == wears[name].get("source_group")}
        assert worn
        assert gone == worn | {name for name, own in zip(whole.video_ids, whole.groups, strict=True) if own == group}


def test_pairs_in_which_no_face_was_found_are_missed_before_any_training(tmp_path):
    # One group has a real and its fake left; of the other only the fake's face was found.
    videos = {"train": [("c", 0), ("d", 0)], "test": [("a", 0), ("a~", 1), ("b~", 1)]}
    material = Material(tmp_path)
    write_data(material.videos_dir, videos, groups={"a~": "group-a", "b~": "group-b"})
    with pytest.raises(DataError, match="matched pairs of 1 groups only.*failures.csv"):
        material.check_pairs()


def test_a_method_that_is_named_as_a_made_one_takes_none_of_the_made_fakes_along(clips, tmp_path, monkeypatch):
    material = Material(tmp_path)
    videos = dataclasses.replace(clips, methods=tuple("swapped" if label else "" for label in clips.labels))
    names = tuple(f"photograph-{name}" for name in clips.groups)
    made = dataclasses.replace(videos, groups=names, face_groups=names)
    monkeypatch.setattr(Material, "made", lambda own, kind: made)
    vars(material).update(videos=videos)
    recipe = ingredients.find("swapped").added_to(dataclasses.replace(Recipe(), videos=False))
    assert len(material.to_learn_from(recipe, [videos.groups[0]])) == len(made)
