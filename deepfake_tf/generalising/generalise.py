"""From videos and photographs to a servable that is measured on what it has not seen, as one resumable piece of work.

    WORK/plan.json               what was asked for, and how many epochs the time gives each rung; written once clips
                                 are cut, and again with those of each model once a recipe is taken
    WORK/clips-<spec>/           see material.py
    WORK/rungs/<ingredient>/     a run without any matched group and any person held out, and its logits of both
    WORK/folds/<k>/              a run of the chosen recipe without fold k, and its logits of that fold
    WORK/shuffled/               a run of the chosen recipe whose labels were shuffled, and its logits
    WORK/robustness/             of the chosen rung, on the matched pairs
    WORK/final/                  the run that is published, with its calibration
    WORK/results.json            all that was measured; written last

Ingredients are chosen by fakes of people held out, and what was chosen is measured on fakes of other people held out
(ladder.py). The folds then say how good the chosen recipe is when every video, of every group and method, is judged by
a model that has seen neither; no video had a say in choosing it.
"""

import dataclasses
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deepfake_tf import atomic, runs
from deepfake_tf.batching.clip_table import ClipTable, join_tables
from deepfake_tf.blended_data import check_photographs, photographs_digest
from deepfake_tf.degrading import robustness
from deepfake_tf.errors import AssetError, ConfigError
from deepfake_tf.export import export_servable
from deepfake_tf.generalising import folds, hours, ingredients, ladder, models, sanity, scores, tables, worse
from deepfake_tf.generalising.hours import Hours
from deepfake_tf.generalising.ingredients import BASE, OTHER_SEED, Recipe
from deepfake_tf.generalising.ladder import CHOSEN_BY, TESTED_BY, Rung
from deepfake_tf.generalising.material import GROUP_REGEX, Material, cut_clips
from deepfake_tf.generalising.scores import Said
from deepfake_tf.judging import decision
from deepfake_tf.judging.decision import Decision
from deepfake_tf.learning.settings import read_run
from deepfake_tf.learning.training import Progress
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import ClipSpec
from deepfake_tf.stages import Stages, Tell

FORMAT_VERSION = 3
_PARTS = {"asked": "the settings", "recipes": "the recipes", "videos": "the videos", "photographs": "the photographs"}
PLAN_FILE = "plan.json"
RESULTS_FILE = "results.json"

ROBUSTNESS: Mapping[str, tuple[float, ...]] = {"jpeg": (50,), "downscale": (0.5,), "h264": (33,)}
"""Half of JPEG's quality, half of the side, and a rate of H.264 at which faces are seen to suffer."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of the stage.

    Attributes:
        hours: for all of it.
        recipe: what is changed by ingredients.
        ingredients: names of those to try, each by itself; the recipe as it stands is always tried.
        num_folds: 2 or more.
        robustness: strengths by the name of a degradation, see degradations.py.
        seed: of everything.
        group_regex: names the person in a photograph's path.
    """

    hours: float
    recipe: Recipe = Recipe()
    ingredients: tuple[str, ...] = ()
    num_folds: int = 2
    robustness: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: dict(ROBUSTNESS))
    seed: int = 0
    group_regex: str = GROUP_REGEX

    def __post_init__(self) -> None:
        if not self.hours > 0 or self.num_folds < 2:
            raise ConfigError(
                f"hours must be above 0 and num_folds 2 or more. Received: hours={self.hours}, "
                f"num_folds={self.num_folds}"
            )
        if OTHER_SEED in self.ingredients and self.recipes()[OTHER_SEED].train.seed == self.seed:
            raise ConfigError(f"--seed {self.seed} is that of the ingredient {OTHER_SEED}. Name another.")
        names = dict.fromkeys(name for name in self.ingredients if name != BASE)
        object.__setattr__(self, "ingredients", tuple(names))
        self.recipes()

    def recipes(self) -> dict[str, Recipe]:
        """Returns the recipe of each rung by its name."""
        names = dict.fromkeys((BASE, *self.ingredients))
        seeded = dataclasses.replace(self.recipe, train=dataclasses.replace(self.recipe.train, seed=self.seed))
        return {name: ingredients.find(name).added_to(seeded) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def generalise(
    entries: Sequence[VideoEntry], photographs: Path, work: Path, out: Path, wanted: Wanted, screen: Stages
) -> dict[str, Any]:
    """Goes the whole path; what an earlier call has finished is left as it is.

    Args:
        entries: what material.sort_out returned.
        photographs: a folder of pictures of real faces.
        work: the folder of all that is made on the way.
        out: the servable to publish.
        wanted: what is asked for.
        screen: shows how it goes.

    Returns:
        What results.json holds.

    Raises:
        AssetError: the weights that a network starts from are not there.
        ConfigError: the folder holds work on something else, or a network refuses one of its settings.
        DataError: there is too little to learn from or to measure on.
        TrainingError: a training failed.
    """
    return _Stage(entries, photographs, work, out, wanted, screen).run()


class _Stage:
    def __init__(
        self, entries: Sequence[VideoEntry], photographs: Path, work: Path, out: Path, wanted: Wanted, screen: Stages
    ) -> None:
        self._entries, self._photographs, self._work, self._out = entries, photographs, work, out
        self._wanted, self._screen = wanted, screen
        self._recipes = wanted.recipes()
        self._materials: dict[ClipSpec, Material] = {}
        self._began = time.monotonic()

    def run(self) -> dict[str, Any]:
        finished = self._find_finished()
        if finished:
            return self._find_published(finished)
        check_photographs(self._photographs, self._wanted.group_regex)
        if not (self._work / PLAN_FILE).is_file():
            self._check_networks()
        self._work.mkdir(parents=True, exist_ok=True)
        material = self._cut(self._recipes[BASE])
        # Now, not after the ladder: there may be fewer groups than folds.
        self._assign_folds(material)
        dealt = self._plan(material)
        rungs = self._climb(dealt)
        name = ladder.choose(rungs)
        recipe, material = self._recipes[name], self._cut(self._recipes[name])
        dealt = self._plan_models(name, dealt)
        out_of_fold = self._fold(recipe, material, dealt)
        self._learn_final(recipe, material, dealt)
        found = {
            "ladder": ladder.describe(rungs),
            "chosen": name,
            "joining": scores.of_joining(rungs[name].matched),
            "folds": out_of_fold,
            "sanity": self._check(name, rungs[name].matched, material, dealt),
            "robustness": self._degrade(name, material),
            "worse": self._worsen(name, material),
        }
        path = self._publish(out_of_fold)
        results = {
            "format_version": FORMAT_VERSION,
            "identity": self._identity,
            "hours": dealt.to_json(),
            "data": {
                "videos": len(set(material.videos.video_ids)),
                "matched": len(set(material.matched.video_ids)),
                "photographs": len(material.photographs),
            },
            "environment": runs.describe_environment(),
            **found,
            "servable": str(path),
        }
        _write(self._work / RESULTS_FILE, results)
        return results

    # Before any training ---------------------------------------------------------------------------------------------

    @cached_property
    def _identity(self) -> dict[str, Any]:
        asked = self._wanted.to_json()
        recipes = {name: json.loads(json.dumps(one.to_json())) for name, one in self._recipes.items()}
        videos = sorted([one.video_id, one.label, one.group, one.sha256] for one in self._entries)
        # Where they lie does not matter: the work may go on on another machine. Read once: it is what was cut.
        pictures = photographs_digest(self._photographs)
        return {"asked": asked, "recipes": recipes, "videos": videos, "photographs": pictures}

    def _find_finished(self) -> dict[str, Any] | None:
        for name in (RESULTS_FILE, PLAN_FILE):
            path = self._work / name
            if path.is_file():
                found = json.loads(path.read_text("utf-8"))
                if found.get("format_version") != FORMAT_VERSION or found["identity"] != self._identity:
                    raise ConfigError(f"{self._work} holds work {self._unlike(found)}. Name another.")
                return found if name == RESULTS_FILE else None
        return None

    def _unlike(self, found: Mapping[str, Any]) -> str:
        version = found.get("format_version")
        if version != FORMAT_VERSION:
            return f"of another version of this stage ({version}, expected {FORMAT_VERSION})"
        changed = [name for name, own in self._identity.items() if found["identity"].get(name) != own]
        return f"on something else: {', '.join(_PARTS[name] for name in changed)} differ"

    def _find_published(self, finished: dict[str, Any]) -> dict[str, Any]:
        """Publishes once more where another servable is asked for, or the old one is gone."""
        if Path(finished["servable"]).parent == self._out and Path(finished["servable"]).is_dir():
            return finished
        results = {**finished, "servable": str(self._publish(finished["folds"]))}
        _write(self._work / RESULTS_FILE, results)
        return results

    def _check_networks(self) -> None:
        # Now, not when its turn comes: that may be hours from here. A run that goes on may need no weights any more.
        for name, recipe in self._recipes.items():
            try:
                models.check_network(recipe)
            except (AssetError, ConfigError) as error:
                raise type(error)(f"{name} cannot be tried with {recipe.train.backbone}: {error}") from None

    def _cut(self, recipe: Recipe) -> Material:
        if recipe.spec in self._materials:
            return self._materials[recipe.spec]
        size, margin = recipe.spec.crop_size_px, recipe.spec.margin
        with self._screen.stage("Clips", f"crops of {size} pixels, {margin:.0%} added around the face") as tell:
            found = cut_clips(self._entries, self._photographs, self._work, recipe.spec, tell, self._wanted.group_regex)
        with self._screen.stage("Fakes", "of photographs and real videos: blended, swapped, reconstructed") as tell:
            found.make_fakes(lambda done, of: tell(done, of, ""))
        self._materials[recipe.spec] = found
        return found

    def _plan(self, material: Material) -> Hours:
        path = self._work / PLAN_FILE
        if path.is_file():
            return Hours(**json.loads(path.read_text("utf-8"))["hours"])
        base = self._recipes[BASE]
        # Crops of other sizes are a stage of their own each.
        materials = {name: self._cut(recipe) for name, recipe in self._recipes.items()}
        for name, recipe in self._recipes.items():
            # Now, not when its turn comes: there may be nothing for it to learn from.
            materials[name].to_learn_from(recipe, materials[name].groups_held_out)
        with self._screen.stage("Plan", "how fast this machine learns, and what the time gives"):
            speeds: dict[str, float] = {}
            for name, recipe in self._recipes.items():
                like = next((one for one in speeds if models.costs_the_same(self._recipes[one], recipe)), None)
                speeds[name] = speeds[like] if like else models.measure_speed(materials[name], recipe, self._work)
            dealt = hours.deal(
                # Cutting clips and making fakes is over.
                max(self._wanted.hours - (time.monotonic() - self._began) / 3600, 1e-9),
                clips_per_sec=speeds,
                clips_of_a_rung=len(material.to_learn_from(base, material.groups_held_out)),
                clips_of_a_model=len(material.to_learn_from(base, ())),
                num_folds=self._wanted.num_folds,
            )
            self._write_plan(dealt)
            slower = "".join(
                f", {name} {speed:.0f}" for name, speed in speeds.items() if not math.isclose(speed, speeds[BASE])
            )
            self._screen.say(f"{speeds[BASE]:.0f} clips a second{slower}: epochs of a rung: {dealt.of_a_rung}")
        return dealt

    def _plan_models(self, name: str, dealt: Hours) -> Hours:
        if dealt.of_a_model:
            return dealt
        dealt = dealt.with_models_of(name, self._wanted.num_folds)
        self._write_plan(dealt)
        return dealt

    def _write_plan(self, dealt: Hours) -> None:
        plan = {"format_version": FORMAT_VERSION, "identity": self._identity, "hours": dealt.to_json()}
        _write(self._work / PLAN_FILE, plan)

    # The ladder ------------------------------------------------------------------------------------------------------

    def _climb(self, dealt: Hours) -> dict[str, Rung]:
        rungs = {}
        for name, recipe in self._recipes.items():
            material = self._cut(recipe)
            run_dir, held_out = self._work / "rungs" / name, material.groups_held_out
            with self._screen.stage(f"Rung {name}", ingredients.find(name).what) as tell:
                epochs = self._as_long(dealt.of_a_rung, material.to_learn_from(recipe, held_out), held_out)
                models.learn(material, recipe, run_dir, epochs=epochs, held_out=held_out, on_progress=_show(tell))
                rungs[name] = self._ask(run_dir, recipe, material)
                found = scores.of_videos(rungs[name].held_out[CHOSEN_BY].videos())
                self._screen.say(f"fakes of people held out: AUC {tables.value(found)}")
        return rungs

    def _ask(self, run_dir: Path, recipe: Recipe, material: Material) -> Rung:
        parts = {split: material.held_out(split) for split in (CHOSEN_BY, TESTED_BY)}
        said = models.ask_held_out(run_dir, recipe, join_tables(list(parts.values())))
        return Rung(
            learned=read_run(run_dir)["result"]["metrics"]["train_auc"],
            matched=models.ask(run_dir, recipe, material.videos).of(material.matched),
            held_out={split: said.of(clips) for split, clips in parts.items()},
        )

    def _as_long(self, epochs: int, clips: ClipTable, held_out: Sequence[str] = ()) -> int:
        """Returns in how many epochs a training sees as many clips as the recipe as it stands, without some groups."""
        base = self._recipes[BASE]
        return max(1, round(epochs * len(self._cut(base).to_learn_from(base, held_out)) / len(clips)))

    def _check(self, name: str, said: Said, material: Material, dealt: Hours) -> dict[str, Any]:
        recipe, run_dir = self._recipes[name], self._work / "shuffled"
        with self._screen.stage("Sanity", "a model of shuffled labels, faces blacked out, frame by frame") as tell:
            clips = material.mislabelled(self._wanted.seed)
            epochs = self._as_long(dealt.of_a_rung, clips, material.groups_held_out)
            models.learn_nothing(material, recipe, run_dir, epochs=epochs, on_progress=_show(tell))
            mislearned = models.ask(run_dir, recipe, material.matched)
            return sanity.check(self._work / "rungs" / name, said, mislearned)

    def _degrade(self, name: str, material: Material) -> dict[str, Any]:
        wanted = self._wanted.robustness
        if not wanted:
            return {}
        with self._screen.stage("Robustness", f"matched pairs after {', '.join(wanted)}") as tell:
            found = robustness.measure(
                self._work / "rungs" / name,
                material.videos_dir,
                self._work / "robustness",
                robustness.Sweep(names=tuple(wanted), strengths=wanted, num_workers=1),
                on_progress=lambda done, total, cell, share: tell(done, total, cell),
            )
        curves = {one["title"]: one["points"] for one in found["curves"]}
        told = ("roc_auc", "roc_auc_interval", "change", "change_interval")
        return {
            title: {strength: {key: point[key] for key in told} for strength, point in points.items()}
            for title, points in curves.items()
        }

    def _worsen(self, name: str, material: Material) -> dict[str, Any]:
        wanted = self._wanted.robustness
        if not wanted:
            return {}
        with self._screen.stage("Worse pictures", f"fakes of people held out after {', '.join(wanted)}") as tell:
            clips = material.held_out(TESTED_BY)
            return worse.measure(self._work / "rungs" / name, clips, wanted, lambda done, of: tell(done, of, ""))

    # The chosen recipe -----------------------------------------------------------------------------------------------

    def _fold(self, recipe: Recipe, material: Material, dealt: Hours) -> dict[str, Any]:
        def judge(number: int, clips: ClipTable, made: ClipTable) -> tuple[Said, Said]:
            run_dir, groups = self._work / "folds" / str(number), sorted(set(clips.groups))
            with self._screen.stage(f"Fold {number}", f"learns without {len(set(clips.video_ids))} videos") as tell:
                epochs = self._as_long(dealt.of_a_model, material.to_learn_from(recipe, ()))
                models.learn(material, recipe, run_dir, epochs=epochs, held_out=groups, on_progress=_show(tell))
                return models.ask(run_dir, recipe, clips), models.ask_held_out(run_dir, recipe, made)

        return folds.judge_all(material, self._assign_folds(material), judge)

    def _assign_folds(self, material: Material) -> dict[str, int]:
        wanted = self._wanted
        return folds.assign(material, self._entries, num_folds=wanted.num_folds, seed=wanted.seed)

    def _learn_final(self, recipe: Recipe, material: Material, dealt: Hours) -> None:
        with self._screen.stage("Final model", "learns from all of it") as tell:
            epochs, run_dir = self._as_long(dealt.of_a_model, material.to_learn_from(recipe, ())), self._work / "final"
            models.learn(material, recipe, run_dir, epochs=epochs, held_out=(), on_progress=_show(tell))

    def _publish(self, out_of_fold: Mapping[str, Any]) -> Path:
        run_dir = self._work / "final"
        with self._screen.stage("Publishing", str(self._out)):
            fitted = out_of_fold["calibration"]
            chosen = Decision.from_json(fitted["decision"])
            _, run = runs.load_run(run_dir)
            decision.write(
                run_dir, run, chosen, {**fitted, "data": "real videos and fakes made from them, out of fold"}
            )
            return export_servable(run_dir, self._out)


def _show(tell: Tell) -> Any:
    def show(at: Progress) -> None:
        loss = f"  loss {at.metrics['loss']:.3f}" if "loss" in at.metrics else ""
        done = (at.epoch - 1) * at.num_steps + at.step
        tell(done, at.num_epochs * at.num_steps, f"epoch {at.epoch}{loss}  {at.clips_per_sec:.0f} clips/s")

    return show


def _write(path: Path, values: Mapping[str, Any]) -> None:
    atomic.write_whole(path, (json.dumps(values, indent=2, sort_keys=False) + "\n").encode())
