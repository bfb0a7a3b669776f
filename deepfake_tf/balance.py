"""How a manifest's videos are spread over splits, methods, data sets and attributes, in numbers and as a picture."""

import io
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepfake_tf.manifest import OFFICIAL_SPLIT, VideoEntry, label_word
from deepfake_tf.schema import SPLITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL_WORDS = ("real", "fake", "unlabelled")
NONE = "none"
"""What stands for an empty value."""

# An attribute of more values, or of longer ones, is a measure or a note on each video, and no category.
_MOST_VALUES = 8
_LONGEST_VALUE = 32
_MOST_BARS = 13
# Told apart by people who do not see red and green alike (Okabe and Ito, 2008).
_COLOURS = {"real": "#0072B2", "fake": "#D55E00", "unlabelled": "#999999"}
_INCHES_PER_BAR = 0.3
_INCHES_PER_TITLE = 0.9
_ROOM_FOR_A_NUMBER = 0.03


@dataclass(frozen=True)
class Row:
    """What is known of the videos with one value.

    Attributes:
        value: such as "train", or NONE.
        counts: number of videos by label word.
        num_identities: people and originals in them.
        num_groups: groups that they belong to.
    """

    value: str
    counts: Mapping[str, int]
    num_identities: int
    num_groups: int

    @property
    def num_videos(self) -> int:
        """All of them, whatever their label."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Tally:
    """The videos by one thing, such as their split.

    Attributes:
        name: of the thing.
        rows: one for each of its values.
    """

    name: str
    rows: tuple[Row, ...]


def tallies(entries: Sequence[VideoEntry]) -> list[Tally]:
    """Counts the videos by split and method, and by data set and attributes where there are a few of them.

    Args:
        entries: one or more.
    """
    found = [
        _tally("split", entries, lambda entry: entry.split),
        _tally("method", entries, lambda entry: entry.method),
        _tally("data set", entries, lambda entry: entry.dataset),
    ]
    for name in sorted({name for entry in entries for name in entry.attributes} - {OFFICIAL_SPLIT}):
        found.append(_tally(name, entries, _attribute(name)))
    return found[:2] + [tally for tally in found[2:] if _tells(tally)]


def _tells(tally: Tally) -> bool:
    longest = max(len(row.value) for row in tally.rows)
    return 2 <= len(tally.rows) <= _MOST_VALUES and longest <= _LONGEST_VALUE


def _attribute(name: str) -> Callable[[VideoEntry], str]:
    return lambda entry: entry.attributes.get(name, "")


def _tally(name: str, entries: Sequence[VideoEntry], value_of: Callable[[VideoEntry], str]) -> Tally:
    by_value: dict[str, list[VideoEntry]] = defaultdict(list)
    for entry in entries:
        by_value[value_of(entry)].append(entry)
    return Tally(name, tuple(_row(value, by_value[value]) for value in sorted(by_value, key=_place)))


def _place(value: str) -> tuple[int, str]:
    """Splits in their order, then other words in that of the alphabet, then what has none."""
    if value in SPLITS:
        return SPLITS.index(value), ""
    return (len(SPLITS), value) if value else (len(SPLITS) + 1, "")


def _row(value: str, entries: Sequence[VideoEntry]) -> Row:
    counts = Counter(label_word(entry) for entry in entries)
    return Row(
        value=value or NONE,
        counts={word: counts[word] for word in LABEL_WORDS},
        num_identities=len({(entry.dataset, name) for entry in entries for name in entry.identities}),
        num_groups=len({entry.group for entry in entries}),
    )


def draw(found: Sequence[Tally]) -> bytes:
    """Draws for each tally a bar for each of its values, cut up by label.

    Args:
        found: what `tallies` returns.

    Returns:
        A PNG file.
    """
    # Figures without pyplot: no window system is asked for, and nothing is shared between threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = [Tally(tally.name, _largest(tally.rows)) for tally in found]
    heights = [_INCHES_PER_TITLE + _INCHES_PER_BAR * len(tally.rows) for tally in drawn]
    figure = Figure(figsize=(8, sum(heights)), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(len(drawn), squeeze=False, height_ratios=heights)
    for one, tally in zip(axes[:, 0], drawn, strict=True):
        _draw_bars(one, tally)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=len(LABEL_WORDS))
    picture = io.BytesIO()
    canvas.print_png(picture)
    return picture.getvalue()


def _draw_bars(axes: "Axes", tally: Tally) -> None:
    places = range(len(tally.rows))
    longest = max(row.num_videos for row in tally.rows)
    lefts = [0] * len(places)
    for word in LABEL_WORDS:
        widths = [row.counts[word] for row in tally.rows]
        bars = axes.barh(places, widths, left=lefts, color=_COLOURS[word], label=word)
        # A number needs room, and nothing needs no number.
        shown = [str(width) if width >= _ROOM_FOR_A_NUMBER * longest else "" for width in widths]
        axes.bar_label(bars, shown, label_type="center", color="white", fontsize=8)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    axes.set_yticks(places, [textwrap.shorten(row.value, _LONGEST_VALUE, placeholder=" ...") for row in tally.rows])
    axes.invert_yaxis()
    axes.set_title(f"Videos by {tally.name}", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)


def _largest(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The largest rows in their order, and one for all the others, if there are many."""
    if len(rows) <= _MOST_BARS:
        return tuple(rows)
    kept = sorted(sorted(range(len(rows)), key=lambda place: -rows[place].num_videos)[: _MOST_BARS - 1])
    others = [row for place, row in enumerate(rows) if place not in kept]
    counts = {word: sum(row.counts[word] for row in others) for word in LABEL_WORDS}
    return (*(rows[place] for place in kept), Row(f"{len(others)} others", counts, 0, 0))
