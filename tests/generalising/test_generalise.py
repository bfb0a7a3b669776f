"""The whole path on clips of squares, with every training a few steps long."""

import dataclasses
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from deepfake_tf import blended_data
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.generalising import generalise as stage
from deepfake_tf.generalising import ingredients, models, tables
from deepfake_tf.generalising.generalise import Wanted, generalise
from deepfake_tf.generalising.ingredients import TRAIN, Recipe
from deepfake_tf.generalising.material import FAKES_PER_PHOTOGRAPH, Material
from deepfake_tf.manifest import read_manifest
from deepfake_tf.predictors.saved_model import SavedModel, read_spec
from deepfake_tf.schema import ClipSpec
from deepfake_tf.stages import Stages
from tests.clips_of_squares import write_data
from tests.test_reconstructing import Inverting

SPEC = ClipSpec(num_frames=1, clips_per_video=2, crop_size_px=16, placement="spread")
SMALL = dataclasses.replace(TRAIN, backbone="small_cnn", backbone_settings={"channels": [4, 8]}, batch_size=8)
WANTED = Wanted(hours=1e-9, recipe=Recipe(SPEC, SMALL), robustness={})
SELF_BLENDED = ingredients.find("self_blended").added_to(WANTED.recipe)
NUM_KINDS = 3


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Two reals with a fake each, and two reals and two fakes by themselves."""
    folder = tmp_path_factory.mktemp("material")
    matched = [("a", 0), ("a~", 1), ("b", 0), ("b~", 1)]
    others = [("c", 0), ("d", 0), ("e", 1), ("f", 1)]
    write_data(
        folder / "videos", {"train": others, "test": matched}, spec=SPEC, groups={"a~": "group-a", "b~": "group-b"}
    )
    people = {"train": [("p", 0), ("q", 0)], "val": [("r", 0), ("s", 0)], "test": [("t", 0), ("u", 0)]}
    write_data(folder / "photographs", people, spec=SPEC, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blended_data.autoencoders, "learn", lambda *data, **settings: Inverting())
        Material(folder).make_fakes(lambda done, of: None)
    return Material(folder)


def run(material, folder, wanted=WANTED):
    entries = read_manifest(material.videos_dir / "manifest.csv")
    (folder / "pictures").mkdir(exist_ok=True)
    (folder / "pictures" / "ann_1.jpg").write_bytes(b"")
    said = io.StringIO()
    screen = Stages(Console(file=said, width=200))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "cut_clips", lambda *arguments: material)
        patch.setattr(models, "measure_speed", lambda *arguments: 100.0)
        results = generalise(entries, folder / "pictures", folder / "work", folder / "servable", wanted, screen)
    return results, said.getvalue()


def check(results):
    # What was judged out of fold is every video, each by a run that has not learned from its group.
    assert results["folds"]["all"]["num_real"] == 4
    assert results["folds"]["matched"]["num_fake"] == 2
    assert results["chosen"] == "base"
    # Those who chose and those on whom it is measured are others.
    for found in (results["ladder"]["rungs"]["base"]["held_out"], results["ladder"]["tested"]):
        assert found["num_real"] == 2
        assert found["num_fake"] == NUM_KINDS * 2 * FAKES_PER_PHOTOGRAPH
        assert set(found["kinds"]) == {"self_blended", "swapped", "reconstructed"}
    assert results["sanity"]["learned_from_shuffled"]["num_groups"] == 2
    # Calibrated by the real videos and fakes of each: two, for of so few people a swapped face is of the other fold.
    assert (results["folds"]["made"]["num_real"], results["folds"]["made"]["num_fake"]) == (4, (NUM_KINDS - 1) * 4)
    assert set(results["folds"]["made"]["kinds"]) == {"self_blended", "reconstructed"}
    assert sum(results["folds"]["verdicts"]["real"].values()) == 4


def check_finished(material, folder, spec):
    """What is finished is left as it is, published where it is not there any more, and not taken for other work."""
    again, said = run(material, folder)
    assert again == json.loads((folder / "work" / "results.json").read_text())
    assert not said
    shutil.move(folder / "servable", folder / "elsewhere")
    again, said = run(material, folder)
    assert "Publishing" in said
    assert "Rung" not in said
    assert read_spec(SavedModel(Path(again["servable"]))).calibration == spec.calibration
    with pytest.raises(ConfigError, match="the settings, the recipes differ"):
        run(material, folder, dataclasses.replace(WANTED, seed=1))
    (folder / "pictures" / "ann_2.jpg").write_bytes(b"")
    with pytest.raises(ConfigError, match="the photographs differ"):
        run(material, folder)


@pytest.mark.slow
def test_a_servable_comes_out_and_a_killed_run_goes_on(material, tmp_path, monkeypatch):
    learn, asked = models.learn, []

    def learn_once(material, recipe, run_dir, *, held_out, **named):
        """Trains the first model; the others are copies of it. The final one is not reached at first."""
        if not held_out and not asked.count("final"):
            asked.append("final")
            raise KeyboardInterrupt
        asked.append(run_dir.name)
        if not asked[1:]:
            learn(material, recipe, run_dir, held_out=held_out, **named)
        elif not run_dir.is_dir():
            shutil.copytree(tmp_path / "work" / "rungs" / "base", run_dir)
            (run_dir / "logits.csv").unlink()
            (run_dir / "logits_of_made.csv").unlink()

    monkeypatch.setattr(models, "learn", learn_once)
    with pytest.raises(KeyboardInterrupt):
        run(material, tmp_path)
    assert asked == ["base", "0", "1", "final"]
    plan = (tmp_path / "work" / "plan.json").read_text()
    at = (tmp_path / "work" / "folds" / "1" / "logits.csv").stat().st_mtime_ns
    # The weights that a network started from may be gone by now.
    monkeypatch.setattr(models, "check_network", pytest.fail)
    results, said = run(material, tmp_path)
    assert "Final model" in said
    assert (tmp_path / "work" / "plan.json").read_text() == plan
    assert (tmp_path / "work" / "folds" / "1" / "logits.csv").stat().st_mtime_ns == at

    check(results)
    spec = read_spec(SavedModel(tmp_path / "servable" / "1"))
    assert spec.clip_spec == SPEC
    assert spec.calibration.scale == results["folds"]["calibration"]["decision"]["calibration"]["scale"]
    text = "\n".join(tables.summary(results))
    assert f"{results['folds']['matched']['auc']:.3f}" in text
    for rows in (tables.ladder_rows(results), tables.chosen_by_rows(results), tables.worse_rows(results)):
        assert {len(row) for row in rows} == {len(rows[0])}

    check_finished(material, tmp_path, spec)


@pytest.mark.parametrize(
    ("settings", "ingredient", "message"),
    [
        ({}, "from_nothing", "from_nothing cannot be tried with small_cnn: .*weights"),
        ({"sees": "both"}, "ema", "base cannot be tried with small_cnn: .*sees"),
    ],
)
def test_an_ingredient_that_the_network_does_not_know_is_refused_before_any_work(
    material, tmp_path, settings, ingredient, message
):
    train = dataclasses.replace(SMALL, backbone_settings=SMALL.backbone_settings | settings)
    wanted = dataclasses.replace(WANTED, recipe=Recipe(SPEC, train), ingredients=(ingredient,))
    with pytest.raises(ConfigError, match=message):
        run(material, tmp_path, wanted)
    assert not (tmp_path / "work").exists()


def test_an_ingredient_that_has_nothing_to_learn_from_is_refused_before_any_training(material, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "learn", pytest.fail)
    videos = material.videos
    # All fakes are of one method, that of the pairs.
    methods = tuple("swap" if label else "" for label in videos.labels)
    patched = Material(material.folder)
    vars(patched).update(videos=dataclasses.replace(videos, methods=methods))
    with pytest.raises(DataError, match=r"No fakes of other methods are left.*\(swap\)"):
        run(patched, tmp_path, dataclasses.replace(WANTED, ingredients=("real_fakes",)))


def test_more_folds_than_groups_are_refused_before_any_training(material, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "learn", pytest.fail)
    with pytest.raises(ConfigError, match="num_folds must lie between 2 and the number of groups"):
        run(material, tmp_path, dataclasses.replace(WANTED, num_folds=60))
    assert not (tmp_path / "work" / "plan.json").exists()


def test_what_a_slower_recipe_costs_is_planned_once_it_is_taken(material, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "cut_clips", lambda *arguments: material)
    monkeypatch.setattr(models, "measure_speed", lambda material, recipe, work: 1600.0 / recipe.spec.crop_size_px)
    monkeypatch.setattr(stage, "photographs_digest", lambda folder: "pictures")
    wanted = dataclasses.replace(WANTED, hours=10.0, ingredients=("larger", "ema"))

    def begin():
        return stage._Stage([], tmp_path, tmp_path, tmp_path / "servable", wanted, Stages(Console(file=io.StringIO())))

    dealt = begin()._plan(material)
    assert dealt.clips_per_sec["base"] == dealt.clips_per_sec["ema"] > dealt.clips_per_sec["larger"]
    assert not dealt.of_a_model
    # Killed on the ladder: the rungs go on as long, and what is taken is as slow as it is.
    monkeypatch.setattr(models, "measure_speed", pytest.fail)
    again = begin()
    assert again._plan(material) == dealt
    of_larger = again._plan_models("larger", dealt).of_a_model
    assert 0 < of_larger < dealt.with_models_of("base", 2).of_a_model
    # Killed in the folds.
    assert begin()._plan(material).of_a_model == of_larger


def test_ingredients_are_asked_for_once():
    wanted = dataclasses.replace(WANTED, ingredients=("ema", "base", "ema"))
    assert wanted == dataclasses.replace(WANTED, ingredients=("ema",))
    with pytest.raises(ConfigError, match="seed 1000003 is that of the ingredient other_seed"):
        dataclasses.replace(WANTED, seed=1_000_003, ingredients=("other_seed",))


def test_every_rung_sees_as_many_clips(material, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "cut_clips", lambda *arguments: material)
    screen = Stages(Console(file=io.StringIO()))
    wanted = dataclasses.replace(WANTED, recipe=SELF_BLENDED)
    one = stage._Stage([], tmp_path, tmp_path / "work", tmp_path / "servable", wanted, screen)
    # The recipe learns from 20 clips an epoch: two of each of six photographs and four real videos.
    assert one._as_long(5, material.photographs) == round(5 * 20 / 12)
    assert one._as_long(5, material.videos) == round(5 * 20 / 16)
    assert one._as_long(1, material.made("swapped")) == 1


def test_shuffled_labels_say_nothing_of_what_is_a_blend(material):
    clips = material.mislabelled(seed=1)
    is_blend = np.array(["~" in name for name in clips.video_ids])
    num_photographs = len(material.photographs)
    assert is_blend.sum() == clips.labels.sum() == num_photographs * FAKES_PER_PHOTOGRAPH
    assert 0 < np.sum(clips.labels == is_blend) < len(clips)


def test_what_is_learned_from_shares_nothing_with_what_is_held_out(material):
    recipe = ingredients.find("real_fakes").added_to(WANTED.recipe)
    two_methods, videos = Material(material.folder), material.videos
    methods = ("other" if name == "e" else own for name, own in zip(videos.video_ids, videos.methods, strict=True))
    vars(two_methods).update(videos=dataclasses.replace(videos, methods=tuple(methods)))
    clips = two_methods.to_learn_from(recipe, ["group-a"])
    # Fakes of the method that is held out are not there either, whatever their group.
    assert set(clips.video_ids) == {"b", "c", "d", "e", *"pqrstu"}
    # People of photographs are groups as well.
    assert set(two_methods.to_learn_from(recipe, material.groups_held_out).video_ids) == {"c", "d", "e", "p", "q"}
    several = dataclasses.replace(recipe, swapped=True, reconstructed=True, real_fakes=False)
    names = {name[0] for name in material.to_learn_from(several, material.groups_held_out).video_ids}
    assert names == {"c", "d", "p", "q"}
    assert {name[0] for name in material.held_out("val").video_ids} == {"r", "s"}
    everything = material.to_learn_from(recipe, [])
    assert {"a~", "e", "f"} <= set(everything.video_ids)
    assert not np.any(material.to_learn_from(SELF_BLENDED, []).labels)
    assert set(material.matched.video_ids) == {"a", "a~", "b", "b~"}
