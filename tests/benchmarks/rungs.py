"""What ingredients are worth beside each other: python -m tests.benchmarks.rungs MANIFEST --work WORK --name NAME.

    ... --photographs DIR --clips 12000 --try margin aligned --retouched DIR [--people] [--generators]

Each rung is trained as the stage trains it, without any matched group, on as many clips as the others, and found again
if it was trained before. It is asked about the matched pairs and about retouched photographs (tests.benchmarks.
retouched); with --people about fakes of the people that the stage holds out, in photographs as it asks its rungs (split
test) and in the videos of matched groups; and with --generators about fakes that are made from the real ones among
these photographs, whom nothing has seen: blended with themselves, with another's face, and with their own face as the
autoencoders of WORK drew it. So are finished runs that --also names, of any length, whose clips were cut alike. Shown
is how far each lies above the recipe as it stands, or above the finished run that --base names, paired, with intervals
over groups or people. The figures are saved as deepfake_tf/generalising/measured/rungs/NAME.json, for
tests.benchmarks.generalisation.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deepfake_tf import atomic
from deepfake_tf.batching.clip_table import ClipTable, list_clips
from deepfake_tf.blended_data import BlendSettings, blend_data
from deepfake_tf.generalising import ingredients, models, scores
from deepfake_tf.generalising.ingredients import BASE, Recipe
from deepfake_tf.generalising.ladder import TESTED_BY
from deepfake_tf.generalising.material import KINDS, Material, cut_clips, read_entries
from deepfake_tf.generalising.scores import Said
from deepfake_tf.judging.scoring import VideoScores, predict_logits
from deepfake_tf.learning.settings import read_run
from deepfake_tf.runs import load_run
from deepfake_tf.schema import REAL
from tests.benchmarks import retouched
from tests.benchmarks.generalisation import RUNGS, described
from tests.benchmarks.long_training import add_network, network

PAIRS, RETOUCHED = "matched", "retouched"
FAKES_PER_PERSON = 4


def train(material: Material, recipe: Recipe, run_dir: Path, num_clips: int) -> None:
    """Trains a rung on about so many clips, or finds it."""
    held_out = material.groups_held_out
    of_an_epoch = len(material.to_learn_from(recipe, held_out))
    epochs = max(1, round(num_clips / of_an_epoch))
    models.learn(material, recipe, run_dir, epochs=epochs, held_out=held_out)


def made(material: Material, photographs: Path) -> dict[str, ClipTable]:
    """Fakes of each kind beside their reals, of people whom no rung has seen."""
    # The autoencoders learn from what rungs learn from, not from these.
    material.make_fakes(lambda done, of: None)
    reals = material.folder.with_name(f"{material.folder.name}-{photographs.name}-real")
    kinds: Mapping[str, dict[str, Any]] = {
        "self_blended": {},
        "swapped": {"swapped": True},
        "reconstructed": {"autoencoders": material.folder / "autoencoders"},
    }
    found = {}
    for name, kind in kinds.items():
        folder = reals.with_name(f"{reals.name}-{name}")
        settings = BlendSettings(fakes_per_clip=FAKES_PER_PERSON, spec=material.photographs.spec, **kind)
        index = blend_data(reals, folder, settings)
        found[name] = list_clips(folder, [split for split, shards in index.shards.items() if shards])
    return found


def ask(model: keras.Model, clips: ClipTable) -> VideoScores:
    return Said(clips, predict_logits(model, clips, batch_size=32)).videos()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--photographs", type=Path, required=True, metavar="DIR")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--clips", type=int, required=True, help="that each rung learns from")
    parser.add_argument("--try", nargs="*", default=(), dest="ingredients", metavar="INGREDIENT")
    parser.add_argument("--retouched", type=Path, required=True, metavar="DIR")
    parser.add_argument("--people", action="store_true", help="ask about fakes of people held out, too")
    parser.add_argument("--generators", action="store_true", help="ask about fakes of each kind, too")
    parser.add_argument(
        "--also", type=_named_run, nargs="*", default=(), metavar="NAME=RUN", help="finished runs of the same crops"
    )
    parser.add_argument("--base", type=Path, metavar="RUN", help="a finished run to compare with, instead of a rung")
    parser.add_argument("--name", required=True, help="of the measurement, such as 2026-11-22-rungs")
    add_network(parser)
    chosen = parser.parse_args(argv)
    finished = dict(chosen.also) | ({BASE: chosen.base} if chosen.base else {})
    entries, start = read_entries(chosen.manifest), network(chosen)
    found = {**described(start.train.to_json()), "asked_clips": chosen.clips, "base": bool(chosen.base), "rows": {}}
    found["also"] = [name for name, _ in chosen.also]
    first: dict[str, dict[str, VideoScores]] = {}
    for name in dict.fromkeys((BASE, *chosen.ingredients, *finished)):
        recipe = ingredients.find(BASE if name in finished else name).added_to(start)
        material = cut_clips(entries, chosen.photographs, chosen.work, recipe.spec, lambda done, of: None)
        run_dir = finished.get(name) or chosen.work / f"rungs-{chosen.name}" / name
        if name not in finished:
            train(material, recipe, run_dir, chosen.clips)
        said = {"measures": ask_all(material, run_dir, chosen)}
        if chosen.people:
            said["people"] = ask_of_people(material, recipe, run_dir)
        first = first or said
        found["rows"][name] = _told(run_dir)
        for part, videos in said.items():
            of_base = first[part]
            found["rows"][name][part] = {
                key: _measured(key, one, of_base[key], name != BASE) for key, one in videos.items()
            }
        print(name, json.dumps(found["rows"][name]), flush=True)
        # After each: trainings take long.
        RUNGS.mkdir(parents=True, exist_ok=True)
        atomic.write_whole(RUNGS / f"{chosen.name}.json", (json.dumps(found, indent=1) + "\n").encode())
    return 0


def ask_all(material: Material, run_dir: Path, chosen: argparse.Namespace) -> dict[str, VideoScores]:
    """What a model says, by what it was asked about."""
    model, _ = load_run(run_dir)
    both = retouched.cut(material.folder, chosen.retouched)
    said = {PAIRS: ask(model, material.matched), RETOUCHED: retouched.ask(model, both)}
    if chosen.generators:
        said |= {kind: ask(model, clips) for kind, clips in made(material, chosen.retouched).items()}
    return said


def ask_of_people(material: Material, recipe: Recipe, run_dir: Path) -> dict[str, VideoScores]:
    """What a model says of fakes of people held out: in photographs, of all kinds and of each, and in videos."""
    said = models.ask_held_out(run_dir, recipe, material.held_out(TESTED_BY))
    methods, found = np.array(said.clips.methods), {"all kinds": said.videos()}
    for kind in KINDS:
        rows = np.flatnonzero((said.clips.labels == REAL) | (methods == kind))
        found[kind] = Said(said.clips.select(rows), said.logits[rows]).videos()
    of_videos = material.of_videos.within(set(material.matched.groups))
    return {**found, "of videos": models.judge(run_dir, of_videos).videos()}


def _told(run_dir: Path) -> dict[str, Any]:
    """On how many clips a run was trained, and how well it learned them."""
    run = read_run(run_dir)
    of_an_epoch = sum(run["data"]["splits"]["train"]["num_clips"].values())
    result = run["result"]
    return {"clips": result["num_epochs"] * of_an_epoch, "learned": result["metrics"]["train_auc"]}


def _named_run(text: str) -> tuple[str, Path]:
    name, _, run = text.partition("=")
    return name, Path(run)


def _measured(key: str, videos: VideoScores, first: VideoScores, is_compared: bool) -> dict[str, Any]:
    # Retouched photographs have no reals of their own.
    found = retouched.of_videos(videos) if key == RETOUCHED else scores.of_matched(videos)
    return {**found, "against_base": scores.difference(first, videos)} if is_compared else found


if __name__ == "__main__":
    sys.exit(main())
