"""What more epochs of a rung are worth: python -m tests.benchmarks.long_training CLIPS RUN --epochs N --name NAME.

CLIPS is a folder `clips-<spec>` of pipelines.generalise. The rung is trained as the stage trains it, without any
matched group, and its model is kept after every epoch beside RUN; a run that was stopped goes on. Afterwards some of
the models are asked about the matched pairs, which changes nothing of the training: the last epoch is the result,
whatever the curve. The figures are saved as deepfake_tf/generalising/measured/curves/NAME.json, for
tests.benchmarks.generalisation.
"""

import argparse
import dataclasses
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepfake_tf import atomic
from deepfake_tf.generalising import ingredients, models, scores
from deepfake_tf.generalising.ingredients import Recipe
from deepfake_tf.generalising.material import Material
from deepfake_tf.generalising.scores import Said
from deepfake_tf.judging.scoring import predict_logits
from deepfake_tf.learning.epochs import Progress
from deepfake_tf.learning.history import read_history
from deepfake_tf.runs import MODEL_FILE, load_run
from tests.benchmarks import retouched
from tests.benchmarks.generalisation import CURVES, described


def train(material: Material, recipe: Recipe, run_dir: Path, epochs: int) -> Path:
    """Returns the folder of the models that were kept, one a finished epoch."""
    kept = run_dir.with_name(f"{run_dir.name}_epochs")
    kept.mkdir(parents=True, exist_ok=True)

    def show(at: Progress) -> None:
        if at.step == at.num_steps and at.metrics.get("epoch") == at.epoch:
            shutil.copy(run_dir / MODEL_FILE, kept / f"{at.epoch:03d}.keras")
            print(f"epoch {at.epoch}: {at.metrics['train_auc']:.3f}, {at.clips_per_sec:.0f} clips/s", flush=True)

    groups = material.groups_held_out
    models.learn(material, recipe, run_dir, epochs=epochs, held_out=groups, on_progress=show)
    return kept


def measure(
    material: Material, run_dir: Path, kept: Path, every: int, photographs: Path | None
) -> list[dict[str, Any]]:
    """Returns what was learned, and what matched pairs and retouched photographs gave after some of the epochs."""
    both = retouched.cut(material.folder, photographs) if photographs else {}
    model, _ = load_run(run_dir)
    history, found = read_history(run_dir), []
    for row in history:
        epoch = int(row["epoch"])
        if epoch % every == 0 or epoch == len(history):
            model.load_weights(kept / f"{epoch:03d}.keras")
            said = Said(material.matched, predict_logits(model, material.matched, batch_size=32))
            found.append({"epoch": epoch, "learned": row["train_auc"], **scores.of_matched(said.videos())})
            if both:
                found[-1]["retouched"] = retouched.measure(model, both)
    return found


def add_network(parser: argparse.ArgumentParser) -> None:
    """The flags that `network` reads."""
    parser.add_argument("--backbone", default="", help="as of pipelines.generalise")
    parser.add_argument("--weights", default="none", help="as of pipelines.generalise")
    parser.add_argument("--trainable", default="all", help="which weights of --backbone learn, such as last:11")


def network(chosen: argparse.Namespace) -> Recipe:
    """Returns the recipe with the network that the flags ask for."""
    recipe = Recipe()
    if chosen.backbone:
        recipe = ingredients.with_backbone(recipe, chosen.backbone, chosen.weights)
        own = {**recipe.train.backbone_settings, "trainable": chosen.trainable}
        recipe = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, backbone_settings=own))
    return recipe


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--ingredient", default=ingredients.BASE)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--every", type=int, default=4, help="how many epochs lie between two that are measured")
    parser.add_argument("--retouched", type=Path, metavar="DIR", help="photographs, see tests.benchmarks.retouched")
    parser.add_argument("--name", required=True, help="of the measurement, such as 2026-11-22-base")
    add_network(parser)
    chosen = parser.parse_args(argv)
    material, recipe = Material(chosen.clips), ingredients.find(chosen.ingredient).added_to(network(chosen))
    kept = train(material, recipe, chosen.run, chosen.epochs)
    clips_of_an_epoch = len(material.to_learn_from(recipe, material.groups_held_out))
    curve = {
        "ingredient": chosen.ingredient,
        **described(recipe.train.to_json()),
        "clips_of_an_epoch": clips_of_an_epoch,
        "epochs": measure(material, chosen.run, kept, chosen.every, chosen.retouched),
    }
    CURVES.mkdir(parents=True, exist_ok=True)
    atomic.write_whole(CURVES / f"{chosen.name}.json", (json.dumps(curve, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
