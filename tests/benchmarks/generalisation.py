"""What pipelines.generalise measured goes into the log: python -m tests.benchmarks.generalisation [WORK --name NAME].

With a finished WORK its figures are saved as deepfake_tf/generalising/measured/NAME.json first. Then the tables of
every file there are written into LOG.md, between the marks that name it; a new one comes at the end, for words to be
added. So are those of measured/curves/, measured/frozen/, measured/objectives/, measured/other_people/,
measured/responses/ and measured/rungs/, which tests.benchmarks.long_training, frozen, objectives, other_people,
responses and rungs fill. The log's first tables, "overview", put all of them together.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepfake_tf import atomic
from deepfake_tf.generalising import tables
from deepfake_tf.generalising.ingredients import BASE
from deepfake_tf.generalising.material import GROUP_REGEX
from tests.benchmarks import overview

FOLDER = Path(tables.__file__).parent
LOG = FOLDER / "LOG.md"
MEASURED = FOLDER / "measured"
CURVES = MEASURED / "curves"
RESPONSES = MEASURED / "responses"
FROZEN = MEASURED / "frozen"
RUNGS = MEASURED / "rungs"
OBJECTIVES = MEASURED / "objectives"
OTHER_PEOPLE = MEASURED / "other_people"
KEPT = ("hours", "data", "environment", "ladder", "chosen", "joining", "folds", "sanity", "robustness", "worse")
_OVERVIEW = "overview"
_BLOCK = re.compile(r"<!-- ([a-z_]+): (\S+) -->\n.*?<!-- end -->\n", re.DOTALL)


def save(work: Path, name: str) -> None:
    """Keeps the figures of a finished stage, without the videos' names and paths."""
    results = json.loads((work / "results.json").read_text())
    kept = {key: results[key] for key in KEPT}
    asked = results["identity"]["asked"]
    kept["asked"] = {key: asked[key] for key in ("hours", "ingredients", "num_folds", "seed")}
    kept["asked"]["group_regex"] = asked.get("group_regex", GROUP_REGEX)
    kept["asked"] |= described(asked["recipe"]["train"])
    MEASURED.mkdir(exist_ok=True)
    atomic.write_whole(MEASURED / f"{name}.json", (json.dumps(kept, indent=1) + "\n").encode())


def described(train: dict[str, Any]) -> dict[str, Any]:
    """The network of a training and its settings, the weights by their file's name."""
    settings = dict(train["backbone_settings"])
    if "weights" in settings:
        settings["weights"] = Path(settings["weights"]).name
    return {"backbone": train["backbone"], "backbone_settings": settings}


def block(kind: str, name: str) -> str:
    """The tables of one measurement, with their marks."""
    folder, lines = _KINDS[kind]
    return _marked(kind, name, lines(_saved(folder, name)))


def _marked(kind: str, name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"<!-- {kind}: {name} -->", *lines, "<!-- end -->", ""])


def _saved(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / f"{name}.json").read_text())


def put_together(name: str, text: str) -> str:
    """One of the log's first tables, of all measurements in the order of the log."""
    in_order = [(found[1], found[2]) for found in _BLOCK.finditer(text)]
    stages, rungs = (
        {one: _saved(_KINDS[kind][0], one) for found, one in in_order if found == kind}
        for kind in ("measured", "rungs")
    )
    rows = overview.stage_rows(stages) if name == "stages" else overview.ingredient_rows(stages, rungs)
    return _marked(_OVERVIEW, name, [*tables.markdown(rows), ""])


def lines_of_curve(curve: dict[str, Any]) -> list[str]:
    num_epochs, num_clips = curve["epochs"][-1]["epoch"], curve["clips_of_an_epoch"]
    # The first curves were not asked about retouched photographs.
    more = ("retouched (95 %)",) if "retouched" in curve["epochs"][-1] else ()
    rows = [("epoch", "clips", "learned", "AUC (95 %)", "pairs in order", *more)]
    for one in curve["epochs"]:
        numbers = (str(one["epoch"]), f"{one['epoch'] * num_clips:,}", tables.number(one["learned"]))
        others = (tables.value(one["retouched"]),) if more else ()
        rows.append((*numbers, tables.value(one), f"{one['pairs_right']:.0%}", *others))
    flags = f"--ingredient {curve['ingredient']} --epochs {num_epochs}{_started_from(curve)}"
    flags += " --retouched DIR" if more else ""
    # What was tried once and is in no code.
    by_hand = f", {curve['by_hand']}" if "by_hand" in curve else ""
    return [
        f"`python -m tests.benchmarks.long_training CLIPS RUN {flags}`{by_hand}",
        "",
        *tables.markdown(rows),
        "",
    ]


def _started_from(asked: dict[str, Any]) -> str:
    settings = asked.get("backbone_settings", {})
    if settings.get("weights", "none") == "none":
        return ""
    trainable = settings.get("trainable", "all")
    learns = f" --trainable {trainable}" if trainable != "all" else ""
    return f" --backbone {asked['backbone']} --weights {settings['weights']}{learns}"


def lines_of(results: dict[str, Any]) -> list[str]:
    hours, asked, data = results["hours"], results["asked"], results["data"]
    tried = "".join(f" {name}" for name in asked["ingredients"])
    command = f"python -m pipelines.generalise MANIFEST --photographs DIR --out OUT --hours {asked['hours']:g}"
    flags = (f" --try{tried}" if tried else "") + f" --folds {asked['num_folds']} --seed {asked['seed']}"
    flags += _started_from(asked)
    regex = asked.get("group_regex", GROUP_REGEX)
    flags += f" --group-regex '{regex}'" if regex != GROUP_REGEX else ""
    sanity = results["sanity"]
    shuffled, steady = sanity["shuffled_labels"], sanity["steadiness"]
    # Not among the checks at first.
    mislearned = sanity.get("learned_from_shuffled")
    learned = f"learned from shuffled labels {tables.value(mislearned)}; " if mislearned else ""
    return [
        f"`{command}{flags}`",
        "",
        f"{data['videos']} videos, {data['matched']} of them in matched pairs, and {data['photographs']} photographs; "
        f"{_speed(hours):g} clips a second gave {hours['of_a_rung']} epochs a rung, {hours['of_a_model']} a "
        "fold.",
        "",
        *_lines_of_choice(results),
        "Ingredients, on matched pairs of which no rung has seen the groups; learned is the AUC of the last epoch on "
        "what was learned from, augmented:",
        "",
        *tables.markdown(tables.ladder_rows(results)),
        "",
        *_lines_of_halves(results),
        "Out of fold, each method against all reals:",
        "",
        *tables.markdown(tables.method_rows(results)),
        "",
        *_lines_of_calibration(results["folds"]),
        "Joining rule and number of frames (AUC):",
        "",
        *tables.markdown(tables.joining_rows(results)),
        "",
        "Worse videos:",
        "",
        *tables.markdown(tables.robustness_rows(results)),
        "",
        *_lines_of_worse(results),
        f"Sanity: labels shuffled {shuffled['mean']:.3f} ({shuffled['low']:.3f} to {shuffled['high']:.3f}); {learned}"
        f"faces blacked out {tables.value(sanity['faces_blacked_out'])}; {steady['agreeing']:.0%} of the frames say "
        f"what their video says, logits deviate by {steady['within']:.2f} within a video and by "
        f"{steady['between']:.2f} between videos.",
        "",
    ]


def _speed(hours: dict[str, Any]) -> float:
    """The first runs measured the recipe as it stands alone."""
    speed = hours["clips_per_sec"]
    return speed[BASE] if isinstance(speed, dict) else speed


def _lines_of_choice(results: dict[str, Any]) -> list[str]:
    """The first runs chose by matched pairs."""
    tested = results["ladder"].get("tested")
    if not tested:
        return []
    kinds = ", ".join(f"{kind.replace('_', '-')} {tables.value(one)}" for kind, one in tested["kinds"].items())
    change, word = tables.difference(tested)
    against = f"; less base {change}, {word}" if word else ""
    return [
        "Ingredients, on fakes of people of whom no rung has seen anything, half of them compressed; the mean of "
        "the kinds is what is chosen by, and learned is the AUC of the last epoch on what was learned from, augmented:",
        "",
        *tables.markdown(tables.chosen_by_rows(results)),
        "",
        f"Taken: {results['chosen']}. Fakes of other people, who had no say in it: {tables.value(tested)}{against}; "
        f"{kinds}.",
        "",
    ]


def _lines_of_calibration(folds: dict[str, Any]) -> list[str]:
    """The first runs were calibrated by matched pairs, and later ones asked after they had been silenced."""
    made, calibration = folds.get("made"), folds["calibration"]
    # The first ones have no interval.
    error = tables.error(calibration.get("made", calibration))
    if not made:
        return [f"Calibration error out of fold {error}.", ""]
    kinds = ", ".join(f"{kind.replace('_', '-')} {tables.value(one)}" for kind, one in made["kinds"].items())
    of_pairs = f", on matched pairs {tables.error(calibration['matched'])}" if "matched" in calibration else ""
    said = "What videos are called, out of fold:"
    if calibration["is_silent"]:
        said = (
            "What is published is silenced, since fakes that were not made here are not shown to score above reals. "
            f"What videos are called {'without that' if of_pairs else 'then'}, out of fold:"
        )
    return [
        f"Fakes made from real videos, out of fold, half of them compressed: {tables.value(made)}, "
        f"{tables.mean_of_kinds(made)} in the mean of kinds; {kinds}. Calibrated by these: error out of fold "
        f"{error}{of_pairs}. {said}",
        "",
        *tables.markdown(tables.verdict_rows({"folds": folds})),
        "",
    ]


def _lines_of_halves(results: dict[str, Any]) -> list[str]:
    nested = results["ladder"].get("nested")
    if not nested:
        return []
    return [
        f"Chosen on one half of the groups and measured on the other: {tables.value(nested)} "
        f"({', '.join(nested['chosen'])}). Taken: {results['chosen']}.",
        "",
    ]


def _lines_of_worse(results: dict[str, Any]) -> list[str]:
    if not results.get("worse"):
        return []
    return ["Worse fakes of people held out:", "", *tables.markdown(tables.worse_rows(results)), ""]


def lines_of_responses(found: dict[str, Any]) -> list[str]:
    rows = [("change", *next(iter(found["rows"].values())))]
    rows += [(name, *(f"{one:+.2f}" for one in parts.values())) for name, parts in found["rows"].items()]
    return [
        f"`python -m tests.benchmarks.responses CLIPS RUN`: {found['num_crops']} crops of {found['num_videos']} real "
        "videos; the logit's mean change, in deviations between the crops",
        "",
        *tables.markdown(rows),
        "",
    ]


def lines_of_frozen(found: dict[str, Any]) -> list[str]:
    rows = [("after", "features", "learned", "AUC (95 %)", "pairs in order", "retouched (95 %)")]
    for name, one in found["rows"].items():
        told = (tables.number(one["learned"]), tables.value(one), f"{one['pairs_right']:.0%}")
        rows.append((name, f"{one['width']:,}", *told, tables.value(one["retouched"])))
    flags = f"--backbone {found['backbone']} --weights {found['weights']} --pairs {found['pairs']} --retouched DIR"
    return [f"`python -m tests.benchmarks.frozen CLIPS {flags}`", "", *tables.markdown(rows), ""]


def lines_of_other_people(found: dict[str, Any]) -> list[str]:
    flags = f"--backbone {found['backbone']} --weights {found['weights']}"
    lines = [f"`python -m tests.benchmarks.other_people CLIPS {flags}`", ""]
    for fit, what in (("apart", "videos and their labels"), ("pairs", "differences of pairs")):
        lines += [f"Fitted on {what}: pairs in order, and the AUC, with intervals over groups:", ""]
        lines += [*tables.markdown(_by_what_is_seen(found["rows"], fit)), ""]
    return lines


def _by_what_is_seen(rows: dict[str, Any], fit: str) -> list[tables.Row]:
    seen = list(dict.fromkeys(one["sees"] for one in rows.values()))
    features = list(dict.fromkeys(name.split(",")[0] for name in rows))

    def cell(name: str) -> str:
        if name not in rows:
            return ""
        one = rows[name][fit]
        low, high = one["pairs_interval"]
        return f"{one['pairs_right']:.0%} ({low:.0%} to {high:.0%}), {tables.value(one)}"

    return [("features", *seen), *((name, *(cell(f"{name}, {what}") for what in seen)) for name in features)]


def lines_of_rungs(found: dict[str, Any]) -> list[str]:
    rungs, kinds = found["rows"], list(next(iter(found["rows"].values()))["measures"])
    # The first tables had no other runs in them.
    also = found.get("also", [])
    tried = "".join(f" {name}" for name in list(rungs)[1:] if name not in also)
    flags = f"--clips {found['asked_clips']}{f' --try{tried}' if tried else ''} --retouched DIR"
    flags += " --base RUN" if found.get("base") else ""
    people = next(iter(rungs.values())).get("people", {})
    flags += (
        " --people" * bool(people)
        + " --generators" * (len(kinds) > 2)
        + (" --also" + "".join(f" {name}=RUN" for name in also) if also else "")
    )
    lines = [
        f"`python -m tests.benchmarks.rungs MANIFEST --photographs DIR --work WORK {flags}{_started_from(found)}`",
        "",
        *tables.markdown(_rungs_on(rungs, kinds[:2])),
        "",
    ]
    if people:
        words = "Fakes of people held out, half of their photographs compressed, and of videos of matched groups:"
        lines += [words, "", *tables.markdown(_rungs_on(rungs, list(people), "people")), ""]
    if kinds[2:]:
        words = "Fakes of each kind, made from real photographs of people whom no rung has seen:"
        lines += [words, "", *tables.markdown(_rungs_on(rungs, kinds[2:])), ""]
    return lines


def _rungs_on(rungs: dict[str, Any], kinds: Sequence[str], part: str = "measures") -> list[tables.Row]:
    heads = (head for kind in kinds for head in (f"{kind.replace('_', '-')} (95 %)", "less base (95 %)", ""))
    rows: list[tables.Row] = [("ingredient", "clips", "learned", *heads)]
    for name, one in rungs.items():
        told = (cell for kind in kinds for cell in _against_base(one[part][kind]))
        rows.append((name, f"{one['clips']:,}", tables.number(one["learned"]), *told))
    return rows


def _against_base(measured: dict[str, Any]) -> tables.Row:
    return tables.value(measured), *tables.difference(measured)


def lines_of_objectives(found: dict[str, Any]) -> list[str]:
    kinds = list(next(iter(found["rows"].values()))["kinds"])
    heads = (f"{kind.replace('_', '-')}" for kind in kinds)
    rows: list[tables.Row] = [("told", "all kinds (95 %)", *heads, "less labels alone (95 %)", "")]
    for one in found["rows"].values():
        by_kind = (tables.number(one["kinds"][kind]["auc"]) for kind in kinds)
        rows.append((one["what"], tables.value(one), *by_kind, *tables.difference(one)))
    return [
        f"`python -m tests.benchmarks.objectives CLIPS --clips {found['asked_clips']}`",
        "",
        *tables.markdown(rows),
        "",
    ]


_KINDS = {
    "measured": (MEASURED, lines_of),
    "curve": (CURVES, lines_of_curve),
    "frozen": (FROZEN, lines_of_frozen),
    "other_people": (OTHER_PEOPLE, lines_of_other_people),
    "responses": (RESPONSES, lines_of_responses),
    "rungs": (RUNGS, lines_of_rungs),
    "objectives": (OBJECTIVES, lines_of_objectives),
}


def written(text: str) -> str:
    """The log with all tables as the saved figures have them."""
    there = [(kind, path) for kind, (folder, _) in _KINDS.items() for path in sorted(folder.glob("*.json"))]
    missing = [(kind, path.stem) for kind, path in there if f"<!-- {kind}: {path.stem} -->" not in text]
    text += "".join(f"\n## {name}\n\n<!-- {kind}: {name} -->\n<!-- end -->\n" for kind, name in missing)

    def filled(found: re.Match[str]) -> str:
        kind, name = found[1], found[2]
        return put_together(name, text) if kind == _OVERVIEW else block(kind, name)

    return _BLOCK.sub(filled, text)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, nargs="?", help="the stage's --work, finished")
    parser.add_argument("--name", help="of the measurement, such as 2026-11-21-first")
    chosen = parser.parse_args(argv)
    if chosen.work and not chosen.name:
        parser.error("a measurement needs a --name")
    if chosen.work:
        save(chosen.work, chosen.name)
    atomic.write_whole(LOG, written(LOG.read_text()).encode())
    print(LOG)
    return 0


if __name__ == "__main__":
    sys.exit(main())
