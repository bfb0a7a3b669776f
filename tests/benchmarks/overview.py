"""The log's first tables: every stage beside the others, and what each ingredient came to, wherever it was measured.

`tests.benchmarks.generalisation` writes them into the log, from the saved figures of all its entries.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deepfake_tf.generalising import tables

TOPICS: Mapping[str, tuple[str, ...]] = {
    "kinds of fakes": ("self_blended", "swapped", "reconstructed", "several", "real_fakes"),
    "self-blends of photographs, of videos": ("photographs_only", "videos_only"),
    "paired batches": ("unpaired",),
    "compression and scaling": ("robust", "no_compression"),
    "crop margin": ("margin",),
    "alignment": ("aligned",),
    "high-frequency input": ("detail", "colours"),
    "input size": ("small", "large", "larger"),
    "backbone": ("small_cnn", "meso_inception_4", "efficientnet_lite2", "wide", "of_equal_length", "in_equal_time"),
    "weights": ("from_nothing",),
    "frozen features": ("frozen",),
    "head, frames of a clip": ("over_time",),
    "EMA": ("ema",),
    "mix-up": ("mixed",),
    "label smoothing": ("smoothed",),
    "chance in a training": ("other_seed",),
    "length of the training": ("four_epochs", "two_epochs", "half_as_long"),
}
"""What may matter, each with the names under which tables of the log have it, ingredients and runs."""
RUNS = {
    "several": "`several`, the recipe now",
    "efficientnet_lite2": "`efficientnet_lite2`",
    "of_equal_length": "the small network beside `wide`",
    "in_equal_time": "the like, in equal time",
    "four_epochs": "four epochs beside eight",
    "two_epochs": "two epochs beside eight",
    "half_as_long": "19 epochs beside 38",
}
"""What those are that are no ingredient."""
KINDS = ("self_blended", "swapped", "reconstructed")
STARTS = ("nothing", "weights")

Stages = Mapping[str, Mapping[str, Any]]
"""Figures of measured/ by name."""
Rungs = Mapping[str, Mapping[str, Any]]
"""Figures of measured/rungs/ by name."""


@dataclass(frozen=True)
class _Measurement:
    """One row of an entry's table, without the row that it stands beside.

    Attributes:
        length: how much was learned from, in words.
        base: the like of what it stands beside.
        people: figures on fakes of people held out, with their differences; may be empty.
        kinds: the like for each kind of fake.
        others: on what was not made here, "retouched" and "matched", as far as it was asked.
    """

    entry: str
    name: str
    start: str
    length: str
    base: str
    people: Mapping[str, Any]
    kinds: Mapping[str, Any]
    others: Mapping[str, Any]


def stage_rows(stages: Stages) -> list[tables.Row]:
    """Returns a heading and a row for each run of the stage."""
    rows: list[tables.Row] = [
        (
            "stage",
            "from",
            "epochs of a fold",
            "people held out (95 %)",
            "fakes of videos, out of fold (95 %)",
            "matched pairs, out of fold (95 %)",
            "calibration error",
            "on pairs",
            "says",
        )
    ]
    for name, one in stages.items():
        folds = one["folds"]
        calibration = folds["calibration"]
        rows.append(
            (
                name,
                _start(one["asked"]),
                str(one["hours"]["of_a_model"]),
                _value(one["ladder"].get("tested")),
                _value(folds.get("made")),
                _value(folds["matched"]),
                tables.error(calibration.get("made", calibration)),
                tables.error(calibration["matched"]) if "matched" in calibration else "",
                "INCONCLUSIVE" if calibration.get("is_silent") else "",
            )
        )
    return rows


def ingredient_rows(stages: Stages, rungs: Rungs) -> list[tables.Row]:
    """Returns a heading and a row for each measurement of what TOPICS name; what is decided is bold."""
    found = [*_of_rungs(rungs), *_of_stages(stages)]
    heads = ("all kinds", "self-blended", "swapped", "reconstructed", "retouched", "matched pairs")
    rows: list[tables.Row] = [("", "tried", "from", "clips", "base's", *heads, "entry")]
    for topic, names in TOPICS.items():
        for name in names:
            for start in STARTS:
                for one in _telling(one for one in found if (one.name, one.start) == (name, start)):
                    rows.append((topic, *_cells(one)))
                    topic = ""
    return rows


def _telling(found: Iterable[_Measurement]) -> list[_Measurement]:
    """What was asked about people held out makes the others of no use, and so by kind, on fewer people."""
    measured = list(found)
    return [one for one in measured if one.people] or [one for one in measured if one.kinds] or measured


def _cells(one: _Measurement) -> tables.Row:
    kinds = (_difference(one.kinds.get(kind)) for kind in KINDS)
    others = (_difference(one.others.get(what)) for what in ("retouched", "matched"))
    tried = RUNS.get(one.name, f"`{one.name}`")
    return tried, one.start, one.length, one.base, _difference(one.people), *kinds, *others, one.entry


def _of_rungs(rungs: Rungs) -> Iterator[_Measurement]:
    for entry, found in rungs.items():
        base, *others = found["rows"]
        for name in others:
            one = found["rows"][name]
            people, measures = one.get("people", {}), one["measures"]
            yield _Measurement(
                entry,
                name,
                _start(found),
                f"{one['clips']:,}",
                f"{found['rows'][base]['clips']:,}",
                people.get("all kinds", {}),
                people or {kind: measures[kind] for kind in KINDS if kind in measures},
                measures,
            )


def _of_stages(stages: Stages) -> Iterator[_Measurement]:
    for entry, found in stages.items():
        length = f"{found['hours']['of_a_rung']} epochs"
        for name, one in found["ladder"]["rungs"].items():
            people = one.get("held_out", {})
            yield _Measurement(entry, name, _start(found["asked"]), length, length, people, {}, {"matched": one})


def _start(asked: Mapping[str, Any]) -> str:
    return STARTS["weights" in asked.get("backbone_settings", {})]


def _value(found: Mapping[str, Any] | None) -> str:
    return tables.value(found) if found else ""


def _difference(found: Mapping[str, Any] | None) -> str:
    change, word = tables.difference(found or {})
    return f"**{change}**" if word in ("better", "worse") else change
