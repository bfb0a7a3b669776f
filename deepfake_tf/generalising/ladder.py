"""What rungs say beside each other, which is taken, and what taking it was worth.

A rung has learned from no matched group and from no person held out. One is taken by the fakes of those in split val,
all kinds together: an AUC over them is the mean over kinds, since there are as many of each. It is measured on the
people of split test, who had no say. Matched pairs have none either: what tells them apart is not the face alone (see
LOG.md), so that they report and do not choose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepfake_tf.generalising import ingredients, scores
from deepfake_tf.generalising.ingredients import BACKGROUND, BASE, OTHER_SEED
from deepfake_tf.generalising.scores import Said

CHOSEN_BY, TESTED_BY = "val", "test"


@dataclass(frozen=True)
class Rung:
    """What the model of a recipe says of what it has not learned from.

    Attributes:
        learned: the AUC of its last epoch, on what it learned from.
        matched: of matched pairs.
        held_out: of people held out and fakes of them, by split.
    """

    learned: float
    matched: Said
    held_out: Mapping[str, Said]


def choose(rungs: Mapping[str, Rung]) -> str:
    """Returns the name of the best of the rungs that are decidedly better than the recipe as it stands, or of that."""
    return _best(_gains(rungs))


def describe(rungs: Mapping[str, Rung]) -> dict[str, Any]:
    """Returns how right each rung is, how far it lies above the recipe as it stands, and the chosen one once more."""
    rows, gains = {}, _gains(rungs)
    chosen = _best(gains)
    for name, rung in rungs.items():
        matched = scores.of_matched(rung.matched.videos())
        held_out = scores.of_held_out(rung.held_out[CHOSEN_BY])
        if name != BASE:
            matched["against_base"] = scores.difference(rungs[BASE].matched.videos(), rung.matched.videos())
            held_out["against_base"] = gains[name]
        rows[name] = {"what": ingredients.find(name).what, "learned": rung.learned, **matched, "held_out": held_out}
    tested = scores.of_held_out(rungs[chosen].held_out[TESTED_BY])
    if chosen != BASE:
        tested["against_base"] = _gain(rungs, chosen, TESTED_BY)
    return {"rungs": rows, "tested": tested}


def _best(gains: Mapping[str, Mapping[str, Any]]) -> str:
    better = [name for name in gains if name not in (BACKGROUND, OTHER_SEED) and gains[name]["words"] == "better"]
    return max(better, key=lambda name: gains[name]["difference"], default=BASE)


def _gains(rungs: Mapping[str, Rung]) -> dict[str, dict[str, Any]]:
    """How far each rung lies above the recipe as it stands, on the people by whom is chosen.

    Intervals are over people, and say nothing of chance in a training: where another seed was tried, what differs less
    than it is undecided.
    """
    gains = {name: _gain(rungs, name, CHOSEN_BY) for name in rungs if name != BASE}
    by_chance = abs(gains[OTHER_SEED]["difference"]) if OTHER_SEED in gains else 0.0
    for name, gain in gains.items():
        if name != OTHER_SEED and abs(gain["difference"]) <= by_chance:
            gain["words"] = "undecided"
    return gains


def _gain(rungs: Mapping[str, Rung], name: str, split: str) -> dict[str, Any]:
    return scores.difference(rungs[BASE].held_out[split].videos(), rungs[name].held_out[split].videos())
