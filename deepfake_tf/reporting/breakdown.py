"""How right a model is by what is known of the videos: method, dataset, context, compression, size of the face ...

A column that says nothing of the reals, as the method of a fake does, is measured as the fakes of one value against all
reals of the split: a method is no property of a real, and with the same reals for each, methods can be compared. Any
other column is measured on its own videos, real and fake.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deepfake_tf.errors import ConfigError
from deepfake_tf.judging.decision import Decision
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.reporting import measures
from deepfake_tf.schema import LABEL_NAMES

FACE_SIZE = "face_size"
PAIR = "pair"
"""Whether a video is one of a matched pair, see matched_pairs.py."""

OF_JUDGED = (FACE_SIZE, PAIR)
"""Known of judged videos alone, so that the share that was judged says nothing."""

DEFAULT_COLUMNS = (PAIR, "method", "dataset", "context", "compression", FACE_SIZE)
"""Measured by themselves, where the videos have them."""

MAX_VALUES = 20
NUM_PARTS = 4
OTHERS = "(others)"

Row = Mapping[str, Any]
"""One of video_scores.csv: of a video that was judged it has a "logit", "label" and "group"."""


def known_columns(entries: Sequence[VideoEntry]) -> list[str]:
    """Returns what videos can be told apart by."""
    attributes = dict.fromkeys(name for entry in entries for name in entry.attributes)
    return ["method", "dataset", "group", "original_id", *OF_JUDGED, *attributes]


def check_columns(columns: Sequence[str], entries: Sequence[VideoEntry]) -> None:
    """Raises if a column is not known.

    Raises:
        ConfigError: it is not.
    """
    known = known_columns(entries)
    for name in columns:
        if name not in known:
            raise ConfigError(f"The manifest has no column {name!r}. It has: {', '.join(known)}.")


def break_down(
    rows: Sequence[Row],
    decision: Decision,
    columns: Sequence[str],
    coverage_of: Callable[[Sequence[Row]], Mapping[str, Any]] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Measures videos by each of some columns.

    Args:
        rows: the videos of the split, refused ones included, with their columns.
        decision: how logits become answers.
        columns: asked for; DEFAULT_COLUMNS that the videos have come by themselves.
        coverage_of: says how many of some videos were judged; None if all were.

    Returns:
        By column, one object a value: "value", "against" ("all reals" or "own"), "coverage", and what
        `measures.summarise` says.
    """
    found = {}
    for column in dict.fromkeys([*DEFAULT_COLUMNS, *columns]):
        values = _values(rows, column)
        if len(set(values) - {""}) > (column not in (*columns, "method")):
            found[column] = _slices(rows, values, decision, None if column in OF_JUDGED else coverage_of)
    return found


def lines(by: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Yields what `break_down` found as lines of a terminal: the AUC of each value, with its interval and counts."""
    for column, slices in by.items():
        yield f"  video AUC by {column}"
        width = max([18, *(len(one["value"]) for one in slices)])
        for one in slices:
            auc, (low, high) = one["metrics"]["roc_auc"], one["intervals"]["roc_auc"]
            figure, interval = "-" if auc is None else f"{auc:.3f}", "" if low is None else f"{low:.3f} to {high:.3f}"
            seen = one["coverage"]
            judged = f", {seen['num_judged']} of {seen['num_videos']} judged" if seen else ""
            counts = f"{one['num_real']} real, {one['num_fake']} fake{judged}"
            yield f"    {one['value']:<{width}}{figure:>8}  {interval:<16}  {counts}"


def _slices(
    rows: Sequence[Row],
    values: Sequence[str],
    decision: Decision,
    coverage_of: Callable[[Sequence[Row]], Mapping[str, Any]] | None,
) -> list[dict[str, Any]]:
    of_fakes_only = not any(value for row, value in zip(rows, values, strict=True) if row["label"] == LABEL_NAMES[0])
    slices = []
    for value in sorted(set(values) - {""}):
        own = [row for row, one in zip(rows, values, strict=True) if one == value]
        held = [row for row in rows if row["label"] == LABEL_NAMES[0]] + own if of_fakes_only else own
        judged = [row for row in held if row["logit"] != ""]
        if not judged:
            continue
        slices.append(
            {
                "value": value,
                "against": "all reals" if of_fakes_only else "own",
                "coverage": coverage_of(own) if coverage_of else None,
                **measures.summarise(
                    np.array([LABEL_NAMES.index(row["label"]) for row in judged]),
                    np.array([row["logit"] for row in judged], np.float64),
                    [row["group"] for row in judged],
                    decision,
                ),
            }
        )
    return slices


def _values(rows: Sequence[Row], column: str) -> list[str]:
    """Returns the value of each row; numbers that differ much as quarters, rare words as others."""
    values = [str(row.get(column, "")) for row in rows]
    if len(set(values) - {""}) <= MAX_VALUES:
        return values
    numbers = [_number(value) for value in values]
    if all(number is not None for number, value in zip(numbers, values, strict=True) if value):
        return _quarters(numbers)
    frequent = {value for value, _ in Counter(value for value in values if value).most_common(MAX_VALUES - 1)}
    return [value if value in frequent or not value else OTHERS for value in values]


def _quarters(numbers: Sequence[float | None]) -> list[str]:
    ends = np.unique(np.quantile([one for one in numbers if one is not None], np.linspace(0, 1, NUM_PARTS + 1)))
    parts = [f"{low:.4g} to {high:.4g}" for low, high in zip(ends[:-1], ends[1:], strict=True)]
    return [
        "" if one is None else parts[min(int(np.searchsorted(ends, one, "right")) - 1, len(parts) - 1)]
        for one in numbers
    ]


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
