"""What results.json says, for people: lines of text, and tables for the log."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Results = Mapping[str, Any]
Row = Sequence[str]


def summary(results: Results) -> list[str]:
    """Returns the lines that a person wants to read first."""
    folds, sanity = results["folds"], results["sanity"]
    matched, blind = folds["matched"], sanity["faces_blacked_out"]
    shuffled, mislearned, steady = (sanity[key] for key in ("shuffled_labels", "learned_from_shuffled", "steadiness"))
    hold = shuffled["holds"] and all(at_chance(one) for one in (mislearned, blind))
    return [
        f"Matched pairs, out of fold: video AUC {value(matched)}, {matched['pairs_right']:.0%} of fakes above their "
        f"real ({matched['num_groups']} groups)",
        f"  fakes of all methods against all reals: {value(folds['all'])}",
        *(
            f"  {name}: {value(one)}, fakes of {one['num_fake_groups']} groups"
            for name, one in folds["methods"].items()
        ),
        f"Fakes made from real videos, out of fold: {_by_kind(folds['made'])}; {mean_of_kinds(folds['made'])} in their "
        "mean",
        f"Calibration error out of fold {error(folds['calibration']['made'])} on these, "
        f"{error(folds['calibration']['matched'])} on matched pairs",
        *_silenced(results),
        *(f"  {name}: {said}" for name, said in verdict_rows(results)[1:]),
        *(f"  {line}" for line in _tried(results)),
        f"Taken: {results['chosen']}. Fakes of people who had no say in it: {_tested(results)}",
        f"With shuffled labels {shuffled['mean']:.3f} ({shuffled['low']:.3f} to {shuffled['high']:.3f}); learned from "
        f"shuffled labels {value(mislearned)}; with faces blacked out {value(blind)}: "
        f"{'none shown to differ from chance' if hold else 'NOT ALL AT CHANCE'}",
        f"{steady['agreeing']:.0%} of a video's frames say what the video says; logits deviate by "
        f"{steady['within']:.2f} within a video and by {steady['between']:.2f} between them",
        *(
            f"{title} at {strength}: {value({'auc': one['roc_auc'], 'interval': one['roc_auc_interval']})}"
            for title, strength, one in _points(results["robustness"])
        ),
        *(
            f"Fakes of people held out, {title} at {strength}: {value(one)}"
            for title, strength, one in _points(results["worse"])
            if title != strength
        ),
        f"Published {results['servable']}",
    ]


def _silenced(results: Results) -> Iterator[str]:
    if results["folds"]["calibration"]["is_silent"]:
        yield (
            "FAKES THAT WERE NOT MADE HERE ARE NOT SHOWN TO LIE ABOVE THEIR REALS: what is published says INCONCLUSIVE "
            "of all; without that, out of fold:"
        )


def _tried(results: Results) -> Iterator[str]:
    for name, what, learned, auc, *_, change, word in chosen_by_rows(results)[1:]:
        against = f", {change} to base: {word}" if change else ""
        yield (
            f"tried {name} ({what}): AUC {auc} on fakes of people held out, {learned} on what it learned from{against}"
        )


def _tested(results: Results) -> str:
    tested = results["ladder"]["tested"]
    change, word = difference(tested)
    return _by_kind(tested) + (f"; {change} to base: {word}" if word else "")


def _by_kind(found: Mapping[str, Any]) -> str:
    kinds = ", ".join(f"{kind.replace('_', '-')} {number(one['auc'])}" for kind, one in found["kinds"].items())
    return f"AUC {value(found)}; {kinds}"


def at_chance(found: Mapping[str, Any]) -> bool:
    """Returns whether an AUC is not shown to differ from one half."""
    low, high = found["interval"]
    # No draw differs, as where all pairs are in order: there is no interval but the figure itself.
    return found["auc"] in (None, 0.5) if low is None else low <= 0.5 <= high


def _points(curves: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for title, points in curves.items():
        for strength, point in points.items():
            yield title, strength, point


def number(found: float | None) -> str:
    """Returns a figure, or that there is none."""
    return "none" if found is None else f"{found:.3f}"


def value(found: Mapping[str, Any]) -> str:
    """Returns an AUC with its interval."""
    low, high = found["interval"]
    return number(found["auc"]) + ("" if low is None else f" ({low:.3f} to {high:.3f})")


def error(found: Mapping[str, Any]) -> str:
    """Returns an expected calibration error with its interval."""
    return value({"auc": found["ece"], "interval": found.get("ece_interval", [None, None])})


def mean_of_kinds(found: Mapping[str, Any]) -> str:
    """Returns the mean AUC over kinds of fakes; of videos there are fewer swaps, which are the hardest to tell."""
    return number(sum(one["auc"] for one in found["kinds"].values()) / len(found["kinds"]))


# Tables --------------------------------------------------------------------------------------------------------------


def difference(found: Mapping[str, Any], key: str = "against_base") -> tuple[str, str]:
    """Returns a difference with its interval, and in a word; empty if there is none."""
    change = found.get(key)
    if not change:
        return "", ""
    low, high = change["interval"]
    return f"{change['difference']:+.3f}" + ("" if low is None else f" ({low:+.3f} to {high:+.3f})"), change["words"]


def ladder_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for each ingredient, on matched pairs."""
    rows: list[Row] = [("ingredient", "what it is", "learned", "AUC (95 %)", "pairs in order", "less base (95 %)", "")]
    for name, one in results["ladder"]["rungs"].items():
        told = (number(one["learned"]), value(one), f"{one['pairs_right']:.0%}")
        rows.append((name, one["what"], *told, *difference(one)))
    return rows


def chosen_by_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for each ingredient, on fakes of the people by whom it is chosen."""
    rungs = results["ladder"]["rungs"]
    kinds = list(next(iter(rungs.values()))["held_out"]["kinds"])
    heads = (kind.replace("_", "-") for kind in kinds)
    rows: list[Row] = [("ingredient", "what it is", "learned", "AUC (95 %)", *heads, "less base (95 %)", "")]
    for name, one in rungs.items():
        found = one["held_out"]
        by_kind = (number(found["kinds"][kind]["auc"]) for kind in kinds)
        rows.append((name, one["what"], number(one["learned"]), value(found), *by_kind, *difference(found)))
    return rows


def method_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for the matched pairs, for all methods together and for each."""
    rows: list[Row] = [("fakes", "real", "fake", "groups", "of the fakes", "AUC (95 %)")]
    folds = results["folds"]
    named = {"matched pairs": folds["matched"], "all methods": folds["all"], **folds["methods"]}
    for name, one in named.items():
        counts = (str(one.get(key, "")) for key in ("num_real", "num_fake", "num_groups", "num_fake_groups"))
        rows.append((name, *counts, value(one)))
    return rows


def verdict_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for real videos and for those of each method: what they are called, out of fold."""
    rows: list[Row] = [("videos", "called")]
    for name, answers in results["folds"]["verdicts"].items():
        rows.append((name, ", ".join(f"{number} {answer}" for answer, number in answers.items())))
    return rows


def joining_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for each joining rule."""
    numbers = list(next(iter(results["joining"].values())))
    rows: list[Row] = [("joining", *(f"{one} frames" for one in numbers))]
    return rows + [(rule, *(f"{found[one]:.3f}" for one in numbers)) for rule, found in results["joining"].items()]


def robustness_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for each degradation and strength."""
    rows: list[Row] = [("degradation", "strength", "AUC (95 %)", "change")]
    for title, strength, one in _points(results["robustness"]):
        change = "" if one["change"] is None else f"{one['change']:+.3f}"
        rows.append((title, strength, value({"auc": one["roc_auc"], "interval": one["roc_auc_interval"]}), change))
    return rows


def worse_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for each degradation of fakes of people held out."""
    rows: list[Row] = [("degradation", "strength", "AUC (95 %)", "less clean (95 %)", "")]
    for title, strength, one in _points(results["worse"]):
        rows.append((title, "" if title == strength else strength, value(one), *difference(one, "against_clean")))
    return rows


def markdown(rows: Sequence[Row]) -> list[str]:
    """Returns a table in Markdown; the first row is its heading."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]
