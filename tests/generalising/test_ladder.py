import dataclasses

import numpy as np
import pytest

from deepfake_tf.generalising import ladder
from deepfake_tf.generalising.ladder import Rung
from deepfake_tf.generalising.scores import Said
from tests.generalising.test_scores import GOOD, GROUPS, LABELS, WORSE


@pytest.fixture
def rung(clips):
    """Makes a rung that says one thing of people of val and another of those of test, two clips a person and label."""
    people = dataclasses.replace(
        clips,
        labels=LABELS,
        groups=GROUPS,
        video_ids=GOOD.video_ids,
        methods=tuple("ab"[row % 4 // 2] if label else "" for row, label in enumerate(LABELS)),
    )

    def make(val, test=WORSE):
        held_out = {"val": Said(people, val.logits), "test": Said(people, test.logits)}
        return Rung(learned=0.9, matched=Said(people, WORSE.logits), held_out=held_out)

    return make


def test_a_rung_is_taken_only_if_it_is_decidedly_better_on_people_held_out(rung):
    worse, good = rung(WORSE), rung(GOOD)
    assert ladder.choose({"base": worse, "swapped": good}) == "swapped"
    assert ladder.choose({"base": good, "swapped": worse}) == "base"
    # The one with the larger gain, whatever their order.
    best = rung(dataclasses.replace(GOOD, logits=LABELS * 20.0))
    for rungs in ({"swapped": good, "mixed": best}, {"mixed": best, "swapped": good}):
        assert ladder.choose({"base": worse, **rungs}) == "mixed"
    # Better with one person alone: another draw of people would not say so.
    luck = rung(dataclasses.replace(WORSE, logits=np.array([*WORSE.logits[:2][::-1], *WORSE.logits[2:]])))
    assert ladder.choose({"base": worse, "swapped": luck}) == "base"
    # Another seed makes as much of a difference, in whichever direction, and is not taken itself.
    assert ladder.choose({"base": worse, "other_seed": good}) == "base"
    assert ladder.choose({"base": worse, "other_seed": good, "swapped": good}) == "base"
    assert ladder.choose({"base": worse, "other_seed": worse, "swapped": good}) == "swapped"
    assert ladder.choose({"base": good, "other_seed": worse, "swapped": best}) == "swapped"
    told = ladder.describe({"base": worse, "other_seed": good, "swapped": good})["rungs"]
    assert [told[name]["held_out"]["against_base"]["words"] for name in ("other_seed", "swapped")] == [
        "better",
        "undecided",
    ]
    # Without the face nothing is chosen, and people of test have no say.
    assert ladder.choose({"base": worse, "background_only": good}) == "base"
    assert ladder.choose({"base": worse, "swapped": rung(WORSE, test=GOOD)}) == "base"


def test_what_was_chosen_is_measured_on_people_who_had_no_say(rung):
    found = ladder.describe({"base": rung(WORSE), "swapped": rung(GOOD, test=WORSE)})
    chosen = found["rungs"]["swapped"]["held_out"]
    assert chosen["auc"] == pytest.approx(21 / 36)
    assert chosen["against_base"]["words"] == "better"
    assert chosen["against_base"]["difference"] == pytest.approx(6 / 36)
    # As many fakes of each kind: the whole is their mean.
    assert set(chosen["kinds"]) == {"a", "b"}
    assert np.mean([one["auc"] for one in chosen["kinds"].values()]) == pytest.approx(21 / 36)
    # What looked good by luck is found out.
    assert found["tested"]["auc"] == pytest.approx(15 / 36)
    assert found["tested"]["against_base"]["words"] == "undecided"
    assert "against_base" not in found["rungs"]["base"]["held_out"]
    assert "against_base" not in ladder.describe({"base": rung(GOOD), "swapped": rung(WORSE)})["tested"]
