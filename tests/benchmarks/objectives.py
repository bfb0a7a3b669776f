"""What a training could be told besides labels: python -m tests.benchmarks.objectives CLIPS --clips N --name NAME.

CLIPS is a folder `clips-<spec>` of pipelines.generalise. The recipe as it stands learns from N clips without any
matched group and any person held out, once for each of OBJECTIVES: by labels alone; with a second output that is told
where the blend lies, by its region or by its seam; with each fake asked to score above its own real; and with nothing
compressed in the first third. All see the same clips; the last begins again with them when its first third is over.
They are asked about fakes of people held out, as the stage asks its rungs (split test). The figures are saved as
deepfake_tf/generalising/measured/objectives/NAME.json, for tests.benchmarks.generalisation.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops as K
from numpy.typing import NDArray
from rich.progress import track

from deepfake_tf import atomic, augment, recipes
from deepfake_tf.augment import flip, turn
from deepfake_tf.batching import dataset
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.batching.frame_windows import MIDDLE
from deepfake_tf.batching.loading import Loader, Loading
from deepfake_tf.batching.sampling import Sampler, Sampling
from deepfake_tf.blending import SelfBlend
from deepfake_tf.generalising import models, scores
from deepfake_tf.generalising.ingredients import Recipe, find
from deepfake_tf.generalising.ladder import TESTED_BY
from deepfake_tf.generalising.material import Material
from deepfake_tf.generalising.scores import Said
from deepfake_tf.learning.freezing import backbone_of
from deepfake_tf.model import build_model
from tests.benchmarks.generalisation import OBJECTIVES as FOLDER

EVERY = 60
Batch = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Objective:
    """What is minimised besides the cross entropy of the label.

    Attributes:
        what: in words.
        where: from a blend's weights float32 [B, H, W, 1] in [0, 1] to what the map is told, likewise.
        above: weight of the loss of a real against its own fake.
        first: recipe of the first third.
    """

    what: str
    where: Callable[[NDArray], NDArray] | None = None
    above: float = 0.0
    first: str = ""


OBJECTIVES = {
    "labels": Objective("the label alone"),
    "region": Objective("and which part is blended", where=lambda weights: weights),
    # Li et al., "Face X-ray" (CVPR 2020), equation 2; a cell of the map is wider than most seams.
    "seam": Objective("and where its seam is", where=lambda weights: 4 * weights * (1 - weights)),
    "above": Objective("and a fake above its own real", above=1.0),
    "first_clean": Objective("nothing compressed in the first third", first="fine"),
}


def batches(clips: ClipTable, sampling: Sampling, map_size: int) -> Iterator[Batch]:
    """Yields pixels uint8 [B, H, W, 3], labels float32 [B] and where each is blended, float32 [B, M, M, 1]."""
    loader, sampler, blend = Loader(clips, Loading()), Sampler(clips, sampling), SelfBlend()
    ops = recipes.load_ops(sampling.recipe)
    change, epoch = loader.changed(ops), 0
    while True:
        draws = sampler.epoch(epoch)
        epoch += 1
        for begin in range(0, len(draws) - sampling.batch_size + 1, sampling.batch_size):
            some = draws.select(np.arange(begin, begin + sampling.batch_size))
            pixels, _ = change(some.rows, some.blended, some.partners, some.shares, some.seeds)
            plain, _ = loader.plain(some.rows)
            weights = np.zeros((*pixels.shape[:1], *pixels.shape[2:4], 1), np.float32)
            for number in np.flatnonzero(some.blended):
                found, seed = clips.read_frames(int(some.rows[number]), MIDDLE), int(some.seeds[number])
                # Made once more: what the seed gives is the same.
                made = blend(plain[number], seed, keypoints_px=found.keypoints_px, mask=found.mask).weights[0]
                weights[number] = _moved(made / max(float(made.max()), 1e-6), ops, seed)
            cells = tf.image.resize(weights, (map_size, map_size), method="area").numpy()
            yield pixels[:, 0], some.labels, cells


def _moved(weights: NDArray, ops: Sequence[augment.ClipOp], seed: int) -> NDArray[np.float32]:
    """Where the weights are after the ops that move a picture: [H, W] -> [H, W, 1]."""
    clip = np.repeat((weights * 255).astype(np.uint8)[None, ..., None], 3, axis=-1)
    for op, op_seed in zip(ops, np.random.SeedSequence(seed).generate_state(len(ops)).tolist(), strict=True):
        clip = op(clip, op_seed) if isinstance(op, (flip.Op, turn.Op)) else clip
    return clip[0, :, :, :1].astype(np.float32) / 255


def learn(clips: ClipTable, recipe: Recipe, objective: Objective, num_clips: int) -> keras.Model:
    """Trains the recipe's network."""
    settings = recipe.train
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings.model(clips.spec))
    backbone = backbone_of(model)
    pooling = next(layer for layer in backbone.layers if layer.name == "mean")
    told = keras.layers.Dense(1, name="where")(pooling.input)
    both = keras.Model(backbone.input, [backbone.output, told])
    head = keras.Sequential([keras.layers.Dropout(settings.dropout), model.get_layer("logit")])
    steps = num_clips // settings.batch_size
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 20, warmup_target=settings.learning_rate, warmup_steps=steps // 20
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=settings.weight_decay, global_clipnorm=settings.clip_norm or None
    )
    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    variables = [*both.trainable_variables, *head.layers[1].trainable_variables]
    optimizer.build(variables)

    @tf.function
    def step(pixels: tf.Tensor, labels: tf.Tensor, cells: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            features, seen = both(K.cast(pixels, "float32"), training=True)
            logits = head(features, training=True)
            above_own_real = K.mean(K.softplus(logits[0::2] - logits[1::2]))
            loss = bce(labels[:, None], logits) + objective.above * above_own_real
            loss += (1.0 if objective.where else 0.0) * bce(cells, seen)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    sampling = Sampling(settings.recipe, settings.batch_size, settings.seed, "pairs", settings.blended_share)
    parts = [(sampling, steps)]
    if objective.first:
        parts = [(dataclasses.replace(sampling, recipe=objective.first), steps // 3), (sampling, steps - steps // 3)]
    losses = []
    for part, number in parts:
        made = batches(clips, part, int(told.shape[1]))
        for _ in track(range(number), f"{objective.what}, {part.recipe}"):
            pixels, labels, cells = next(made)
            losses.append(float(step(pixels, labels, objective.where(cells) if objective.where else cells)))
    print(f"{objective.what}: loss {np.mean(losses[:EVERY]):.3f} to {np.mean(losses[-EVERY:]):.3f}", flush=True)
    return model


def ask(model: keras.Model, clips: ClipTable) -> Said:
    """What a model says of people held out, as `models.ask_held_out`."""
    logits = np.zeros(len(clips))
    for rows, worse in models.halves(clips):
        asked = dataset.for_evaluation(clips.select(rows), batch_size=32, ops=worse)
        logits[rows] = model.predict(asked, verbose=0)
    return Said(clips, logits)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips_dir", type=Path, metavar="CLIPS")
    parser.add_argument("--clips", type=int, required=True, help="that each learns from")
    parser.add_argument("--name", required=True, help="of the measurement, such as 2026-11-22-objectives")
    chosen = parser.parse_args(argv)
    material, recipe = Material(chosen.clips_dir), find("self_blended").added_to(Recipe())
    learned_from = material.to_learn_from(recipe, material.groups_held_out)
    asked = material.held_out(TESTED_BY)
    found = {"asked_clips": chosen.clips, "rows": {}}
    first = None
    for name, objective in OBJECTIVES.items():
        model = learn(learned_from, recipe, objective, chosen.clips)
        said = ask(model, asked)
        videos = said.videos()
        first = first or videos
        against = {} if videos is first else {"against_base": scores.difference(first, videos)}
        found["rows"][name] = {"what": objective.what, **scores.of_held_out(said), **against}
        print(name, json.dumps(found["rows"][name]), flush=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        atomic.write_whole(FOLDER / f"{chosen.name}.json", (json.dumps(found, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
