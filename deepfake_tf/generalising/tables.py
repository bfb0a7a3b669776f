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
    hold = shuffled["holds"] and all(_at_chance(one) for one in (mislearned, blind))
    nested = results["ladder"]["nested"]
    return [
        f"Matched pairs, out of fold: video AUC {value(matched)}, {matched['pairs_right']:.0%} of fakes above their "
        f"real ({matched['num_groups']} groups)",
        *(f"  {name} against all reals: {value(one)}" for name, one in folds["methods"].items()),
        f"Calibration error out of fold {number(folds['calibration']['ece'])}",
        *(f"  {line}" for line in _tried(results)),
        f"Chosen on one half of the pairs and measured on the other: {value(nested)} ({', '.join(nested['chosen'])})",
        f"Taken: {results['chosen']}",
        f"With shuffled labels {shuffled['mean']:.3f} ({shuffled['low']:.3f} to {shuffled['high']:.3f}); learned from "
        f"shuffled labels {value(mislearned)}; with faces blacked out {value(blind)}: "
        f"{'all at chance' if hold else 'NOT ALL AT CHANCE'}",
        f"{steady['agreeing']:.0%} of a video's frames say what the video says; logits deviate by "
        f"{steady['within']:.2f} within a video and by {steady['between']:.2f} between them",
        *(
            f"{title} at {strength}: {value({'auc': one['roc_auc'], 'interval': one['roc_auc_interval']})}"
            for title, strength, one in _points(results)
        ),
        f"Published {results['servable']}",
    ]


def _tried(results: Results) -> Iterator[str]:
    for name, what, learned, auc, _, change, word in ladder_rows(results)[1:]:
        against = f", {change} to base: {word}" if change else ""
        yield f"tried {name} ({what}): AUC {auc} on matched pairs, {learned} on what it learned from{against}"


def _at_chance(found: Mapping[str, Any]) -> bool:
    low, high = found["interval"]
    return low is None or low <= 0.5 <= high


def _points(results: Results) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for title, points in results["robustness"].items():
        for strength, point in points.items():
            yield title, strength, point


def number(found: float | None) -> str:
    """Returns a figure, or that there is none."""
    return "none" if found is None else f"{found:.3f}"


def value(found: Mapping[str, Any]) -> str:
    """Returns an AUC with its interval."""
    low, high = found["interval"]
    return number(found["auc"]) + ("" if low is None else f" ({low:.3f} to {high:.3f})")


# Tables --------------------------------------------------------------------------------------------------------------


def ladder_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for each ingredient."""
    rows: list[Row] = [("ingredient", "what it is", "learned", "AUC (95 %)", "pairs in order", "less base (95 %)", "")]
    for name, one in results["ladder"]["rungs"].items():
        change = one.get("against_base")
        told = ("", "")
        if change:
            low, high = change["interval"]
            span = "" if low is None else f" ({low:+.3f} to {high:+.3f})"
            told = (f"{change['difference']:+.3f}{span}", change["words"])
        rows.append((name, one["what"], number(one["learned"]), value(one), f"{one['pairs_right']:.0%}", *told))
    return rows


def method_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for the matched pairs and for each method."""
    rows: list[Row] = [("fakes", "real", "fake", "groups", "AUC (95 %)")]
    named = {"matched pairs": results["folds"]["matched"], **results["folds"]["methods"]}
    for name, one in named.items():
        rows.append((name, *(str(one[key]) for key in ("num_real", "num_fake", "num_groups")), value(one)))
    return rows


def joining_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for each joining rule."""
    numbers = list(next(iter(results["joining"].values())))
    rows: list[Row] = [("joining", *(f"{one} frames" for one in numbers))]
    return rows + [(rule, *(f"{found[one]:.3f}" for one in numbers)) for rule, found in results["joining"].items()]


def robustness_rows(results: Results) -> list[Row]:
    """Returns a heading and a row for each degradation and strength."""
    rows: list[Row] = [("degradation", "strength", "AUC (95 %)", "change")]
    for title, strength, one in _points(results):
        change = "" if one["change"] is None else f"{one['change']:+.3f}"
        rows.append((title, strength, value({"auc": one["roc_auc"], "interval": one["roc_auc_interval"]}), change))
    return rows


def markdown(rows: Sequence[Row]) -> list[str]:
    """Returns a table in Markdown; the first row is its heading."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]
