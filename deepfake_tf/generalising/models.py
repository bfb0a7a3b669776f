"""One model of a recipe: trained without some groups, then asked about videos."""

import dataclasses
import hashlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import runs
from deepfake_tf.augment import ClipOp, jpeg
from deepfake_tf.batching import dataset
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.errors import TrainingError
from deepfake_tf.generalising import scores
from deepfake_tf.generalising.ingredients import BACKGROUND, INGREDIENTS, Recipe
from deepfake_tf.generalising.material import Material
from deepfake_tf.generalising.scores import Said
from deepfake_tf.learning import training
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.model import build_model
from deepfake_tf.recipes.background import BLACKED_OUT

COMPRESSED = jpeg.Op(probability=1.0, quality=(50, 50))
"""Of half of the people held out: a recipe must hold on what sites do to videos, not on clean pictures alone."""

_BATCH_SIZE = 32
# Settings that make no step slower.
_FREE = ("learning_rate", "weight_decay", "label_smoothing", "mixed_share", "ema", "balance", "seed")
# Before them a step compiles the network and fills the memory.
_STEPS_TO_WARM_UP = 3
_STEPS_TO_TIME = 12


def check_network(recipe: Recipe) -> None:
    """Builds a recipe's network as its training would, and throws it away.

    Raises:
        ConfigError: the network does not know one of its settings, or refuses it.
        AssetError: the weights that it starts from are not there.
    """
    build_model(recipe.train.model(recipe.spec))
    keras.backend.clear_session()


def learn(
    material: Material,
    recipe: Recipe,
    run_dir: Path,
    *,
    epochs: int,
    held_out: Sequence[str],
    on_progress: training.OnProgress | None = None,
) -> None:
    """Trains a model, or goes on with it; a finished one is left as it is.

    Args:
        material: the clips, cut by the recipe's spec.
        recipe: how.
        run_dir: the run's folder.
        epochs: all of them are trained, the last is kept.
        held_out: groups that are not learned from.
        on_progress: as of `training.train`.
    """
    _train(material, recipe.train, run_dir, epochs, material.to_learn_from(recipe, held_out), on_progress)


def learn_nothing(
    material: Material, recipe: Recipe, run_dir: Path, *, epochs: int, on_progress: training.OnProgress | None = None
) -> None:
    """As `learn`, from photographs and self-blends of them whose labels were shuffled before."""
    # Nothing is blended or paired on the way, which would tell the label.
    settings = dataclasses.replace(recipe.train, balance="class", blended_share=0.0, mixed_share=0.0)
    _train(material, settings, run_dir, epochs, material.mislabelled(settings.seed), on_progress)


def _train(
    material: Material,
    settings: TrainSettings,
    run_dir: Path,
    epochs: int,
    clips: ClipTable,
    on_progress: training.OnProgress | None,
) -> None:
    settings = dataclasses.replace(settings, epochs=epochs)
    # What earlier models built would stay in memory.
    keras.backend.clear_session()
    training.train(
        material.videos_dir, run_dir, settings, train_clips=clips, on_progress=on_progress, save_every_sec=120
    )


def ask(run_dir: Path, recipe: Recipe, clips: ClipTable) -> Said:
    """Returns what a finished model says of clips of videos, from its file if it has been asked before.

    A model that has learned without the face is asked without it.
    """
    path = run_dir / scores.LOGITS_FILE
    found = scores.read_logits(path, clips)
    if found:
        return found
    said = judge(run_dir, clips, _seen_by(recipe))
    scores.write_logits(path, said)
    return said


def ask_held_out(run_dir: Path, recipe: Recipe, clips: ClipTable) -> Said:
    """As `ask`, of photographs of people held out and of fakes of them; those of half of the people are compressed."""
    path = run_dir / scores.MADE_FILE
    found = scores.read_logits(path, clips)
    if found:
        return found
    logits = np.zeros(len(clips))
    for rows, worse in halves(clips):
        logits[rows] = judge(run_dir, clips.select(rows), (*_seen_by(recipe), *worse)).logits
    said = Said(clips, logits)
    scores.write_logits(path, said)
    return said


def halves(clips: ClipTable) -> list[tuple[NDArray[np.int64], tuple[ClipOp, ...]]]:
    """Returns the rows of one half of all people and of the other, and what is done to their clips.

    In which half somebody is does not depend on who else is asked about, so that answers can be compared; a few people
    may all be in one.
    """
    is_odd = np.array([hashlib.sha256(name.encode()).digest()[0] % 2 for name in clips.groups], bool)
    parts: list[tuple[NDArray[np.int64], tuple[ClipOp, ...]]] = [
        (np.flatnonzero(~is_odd), ()),
        (np.flatnonzero(is_odd), (COMPRESSED,)),
    ]
    return [(rows, ops) for rows, ops in parts if len(rows)]


def _seen_by(recipe: Recipe) -> tuple[ClipOp, ...]:
    return (BLACKED_OUT,) if recipe.train.recipe == INGREDIENTS[BACKGROUND].train["recipe"] else ()


def judge(run_dir: Path, clips: ClipTable, ops: Sequence[ClipOp] = ()) -> Said:
    """Runs a finished model on clips, each changed by some ops first.

    Raises:
        TrainingError: a logit is not a finite number.
    """
    model, _ = runs.load_run(run_dir)
    with dataset.plain_errors():
        batches = dataset.for_evaluation(clips, batch_size=_BATCH_SIZE, ops=ops)
        logits = model.predict(batches, verbose=0).astype(np.float64)
    if not np.all(np.isfinite(logits)):
        raise TrainingError(f"The model in {run_dir} gives logits that are no finite numbers. Train with a lower rate.")
    return Said(clips, logits)


def costs_the_same(one: Recipe, other: Recipe) -> bool:
    """Returns whether a clip costs two recipes as much to learn from, as far as what they change says."""
    same = {name: getattr(one.train, name) for name in _FREE}
    return one.spec == other.spec and one.train == dataclasses.replace(other.train, **same)


def measure_speed(material: Material, recipe: Recipe, work: Path) -> float:
    """Returns how many clips a second a training takes in, measured over a few steps that are thrown away."""
    clips = material.to_learn_from(recipe, ())
    size = recipe.train.batch_size
    num_steps = _STEPS_TO_WARM_UP + _STEPS_TO_TIME
    # Of all kinds: what a batch is made of may be missing among the first.
    few = clips.select(np.resize(np.random.default_rng(0).permutation(len(clips)), num_steps * size))
    times: list[float] = []
    folder = work / ".speed"
    keras.backend.clear_session()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        training.train(
            material.videos_dir,
            folder,
            dataclasses.replace(recipe.train, epochs=1, warmup_epochs=0.0),
            train_clips=few,
            on_progress=lambda at: times.append(time.monotonic()),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    # The last call comes after the epoch.
    return size * _STEPS_TO_TIME / max(times[num_steps] - times[_STEPS_TO_WARM_UP], 1e-9)
