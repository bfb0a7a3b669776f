"""The page about a search, and which settings it says mattered."""

import json
import re

import numpy as np
import pytest

from deepfake_tf.searching import search_importance, search_report
from deepfake_tf.searching.search_settings import SearchSettings

SPACE = [
    {
        "class_name": "Float",
        "config": {"name": "learning_rate", "min_value": 1e-4, "max_value": 1e-2, "sampling": "log"},
    },
    {"class_name": "Choice", "config": {"name": "head", "values": ["lstm", "mean"]}},
    {"class_name": "Choice", "config": {"name": "lstm/units", "values": [32, 64]}},
    {"class_name": "Boolean", "config": {"name": "ema", "default": False}},
]


def trials(count: int, *, failed: tuple[int, ...] = (), depends: bool = True) -> list[dict]:
    """Rows of trials.csv whose score follows from the learning rate, and from nothing else."""
    draws = np.random.default_rng(0)
    rows = []
    for number in range(count):
        rate, head = float(10 ** draws.uniform(-4, -2)), str(draws.choice(["lstm", "mean"]))
        score = abs(np.log10(rate) + 3) if depends else float(draws.normal())
        row = {"trial": str(number), "status": "COMPLETED", "val_loss": score, "epochs": 2, "learning_rate": rate}
        row |= {"head": head} | ({"lstm.units": int(draws.choice([32, 64]))} if head == "lstm" else {})
        if number in failed:
            row |= {"status": "FAILED", "val_loss": None}
        rows.append(row | {"message": "out of <memory>" if number in failed else "", "settings": "{}"})
    return rows


def measure(rows):
    return search_importance.measure(rows, ["learning_rate", "head", "lstm.units"], "val_loss", ["learning_rate"])


def test_what_the_score_follows_from_is_important_and_nothing_else():
    found = measure(trials(60))
    assert found.names[0] == "learning_rate"
    assert found.shares[0] > 1
    assert np.all(np.abs(found.shares[1:]) < 0.2)
    assert found.explained > 0.7
    assert "most of the differences" in found.note


def test_what_only_one_plugin_uses_does_not_stand_for_the_choice_of_it():
    rows = [row | {"val_loss": row["learning_rate"] + (row["head"] == "lstm")} for row in trials(24)]
    found = measure(rows)
    assert found.names[0] == "head"
    assert found.shares[found.names.index("lstm.units")] < 0.1


def test_where_the_score_follows_from_nothing_the_page_says_so():
    found = measure(trials(30, depends=False))
    assert found.explained <= 0
    assert "Do not read anything into the bars" in found.note


def test_few_trials_say_nothing():
    assert measure(trials(search_importance.MIN_TRIALS - 1)) is None
    assert measure(trials(search_importance.MIN_TRIALS + 2, failed=(0, 1, 2))) is None
    assert measure(trials(search_importance.MIN_TRIALS + 3, failed=(0, 1, 2))) is not None


def test_ranks_share_their_mean_where_values_are_equal():
    assert search_importance._ranks(np.array([3.0, 1.0, 3.0, 9.0])).tolist() == [1.5, 0.0, 1.5, 3.0]


@pytest.mark.parametrize(("count", "failed"), [(1, ()), (2, (1,)), (14, (3, 5))])
def test_the_page_lists_every_trial_the_best_first_and_needs_nothing_else(tmp_path, count, failed):
    rows = trials(count, failed=failed)
    best = min((row for row in rows if row["val_loss"] is not None), key=lambda row: row["val_loss"])
    run = {
        "settings": {"head": "lstm"},
        "data": {"path": "DATA"},
        "result": {
            "monitor": "val_loss",
            "best": best["val_loss"],
            "best_run": f"trials/{best['trial']}",
            "num_trials": count,
            "num_failed": len(failed),
            "identity": {"search": SearchSettings().to_json()},
        },
    }
    (tmp_path / "trials" / best["trial"]).mkdir(parents=True)
    (tmp_path / "trials" / best["trial"] / "run.json").write_text(json.dumps({"result": {"duration_sec": 77.2}}))
    search_report.write(tmp_path, run, rows, SPACE)
    page = (tmp_path / "search.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    listed = re.findall(r'<tr(?: class="best")?><td class="number">(\d+)</td>', page)
    scored = sorted((row for row in rows if row["val_loss"] is not None), key=lambda row: row["val_loss"])
    assert listed == [row["trial"] for row in scored] + [str(number) for number in failed]
    assert page.count("out of &lt;memory&gt;") == len(failed)
    assert ">77</td>" in page
    assert "0.0001 to 0.01 evenly over orders of magnitude" in page
    # A picture of how it went, and of settings where some differ; of importance where there are enough.
    assert page.count("<svg") == 1 + (count > 1) + (count > search_importance.MIN_TRIALS)


def test_a_place_on_an_axis_follows_the_order_of_values():
    rows = trials(20)
    places, ticks = search_report._places(rows, "learning_rate", is_log=True)
    rates = {row["trial"]: row["learning_rate"] for row in rows}
    assert sorted(places, key=places.get) == sorted(rates, key=rates.get)
    assert (min(places.values()), max(places.values())) == (0.0, 1.0)
    assert float(ticks[1][1]) == pytest.approx(np.sqrt(min(rates.values()) * max(rates.values())), rel=1e-2)
    places, ticks = search_report._places(rows, "head", is_log=False)
    assert ticks == [(0.25, "lstm"), (0.75, "mean")]
    assert set(places) == set(rates)
