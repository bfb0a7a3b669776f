import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from deepfake_tf.generalising import generalise, ingredients, models
from deepfake_tf.generalising.scores import Said


def test_whose_pictures_are_compressed_does_not_hang_on_who_else_is_asked_about(clips):
    rows = np.resize(np.arange(len(clips)), 400)
    table = dataclasses.replace(clips.select(rows), groups=tuple(f"person-{row // 2}" for row in range(400)))
    compressed = {table.groups[row] for row in models.halves(table)[1][0]}
    assert 70 < len(compressed) < 130
    some = table.select(np.flatnonzero(np.random.default_rng(0).random(400) < 0.3))
    (clean, no_ops), (worse, ops) = models.halves(some)
    assert (no_ops, ops) == ((), (models.COMPRESSED,))
    assert sorted([*clean, *worse]) == list(range(len(some)))
    assert {some.groups[row] for row in worse} == compressed & set(some.groups)
    # All clips of somebody are of one half.
    assert not {some.groups[row] for row in clean} & compressed


def test_what_was_asked_is_found_again(clips, tmp_path, monkeypatch):
    def judge(run_dir, some, ops=()):
        return Said(some, np.full(len(some), len(ops)))

    monkeypatch.setattr(models, "judge", judge)
    recipe = generalise.Recipe()
    said = models.ask_held_out(tmp_path, recipe, clips)
    assert np.flatnonzero(said.logits).tolist() == models.halves(clips)[1][0].tolist()
    monkeypatch.setattr(models, "judge", pytest.fail)
    np.testing.assert_array_equal(models.ask_held_out(tmp_path, recipe, clips).logits, said.logits)


@pytest.mark.parametrize(
    ("name", "costs_the_same"),
    [
        *(("ema", True), ("mixed", True), ("smoothed", True), ("unpaired", True), ("self_blended", False)),
        *(("larger", False), ("over_time", False), ("wide", False), ("robust", False), ("other_seed", True)),
    ],
)
def test_what_may_be_slower_is_timed_by_itself(name, costs_the_same):
    recipe = generalise.Recipe()
    assert models.costs_the_same(recipe, ingredients.find(name).added_to(recipe)) == costs_the_same


def test_the_speed_is_that_of_all_kinds_of_clips(clips, tmp_path, monkeypatch):
    shown = []

    def train(data_dir, run_dir, settings, *, train_clips, on_progress):
        shown.append(train_clips)
        for _ in range(len(train_clips) // settings.batch_size + 1):
            on_progress(None)

    # As it is learned from: reals of photographs first, fakes of other methods last.
    rows = [*np.resize(np.flatnonzero(clips.labels == 0), 3000), *np.resize(np.flatnonzero(clips.labels == 1), 15)]
    material = SimpleNamespace(to_learn_from=lambda recipe, held_out: clips.select(rows), videos_dir=tmp_path)
    monkeypatch.setattr(models.training, "train", train)
    assert models.measure_speed(material, generalise.Recipe(), tmp_path) > 0
    counts = shown[0].label_counts()
    assert counts["fake"] > 0
    assert counts["real"] > 50 * counts["fake"]
