"""Looks whether a manifest is sound: python -m pipelines.check manifest.csv."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_tf import atomic, balance, command, manifest, splits

if TYPE_CHECKING:
    from rich.table import Table

NUM_SHOWN = 5
BAR_WIDTH = 10
NAME_WIDTH = 20


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Counts the videos of a manifest, draws how they are balanced, and looks for leaks, missing files and "
        "duplicates. Ends with 0 if all is well, with 1 if files are missing or equal files have different labels, "
        "with 2 if splits leak."
    )
    parser.add_argument("manifest", type=Path, help="made by pipelines.manifest")
    parser.add_argument("--picture", type=Path, help="PNG file to draw into (default: beside the manifest)")
    parser.add_argument(
        "--accept-official-leak", action="store_true", help="only report a leak inside a data set's own lists"
    )
    return parser


def work(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    entries = manifest.read_manifest(arguments.manifest)
    summary = manifest.summarise(entries)
    tallies = balance.tallies(entries)
    console = Console(soft_wrap=True, highlight=False)
    for tally in tallies:
        console.print(table(tally))
    for line in findings(summary):
        console.print(line, markup=False)
    picture = arguments.picture or arguments.manifest.with_suffix(".png")
    atomic.write_whole(picture, balance.draw(tallies))
    console.print(f"The picture is {picture}", markup=False)
    splits.check_no_leak(entries, accept_official=arguments.accept_official_leak)
    leak = splits.find_leak(entries)
    console.print(f"leak in the data set's own lists: {leak}" if leak else "leaks: none", markup=False)
    return command.SOME_FAILED if summary.missing or summary.contradictions else command.DONE


def table(tally: balance.Tally) -> "Table":
    from rich.table import Table
    from rich.text import Text

    made = Table(tally.name, *balance.LABEL_WORDS, "identities", "groups", "fakes", title=f"Videos by {tally.name}")
    made.columns[0].max_width = NAME_WIDTH
    for column in made.columns[1:]:
        column.no_wrap = True
    for column in made.columns[1:-1]:
        column.justify = "right"
    for row in tally.rows:
        numbers = (*(row.counts[word] for word in balance.LABEL_WORDS), row.num_identities, row.num_groups)
        # Text, because a name may hold what would be markup.
        made.add_row(Text(row.value, overflow="ellipsis", no_wrap=True), *map(str, numbers), bar(row))
    return made


def bar(row: balance.Row) -> str:
    """Draws the share of fakes among the labelled videos."""
    labelled = row.counts["real"] + row.counts["fake"]
    if not labelled:
        return ""
    share = row.counts["fake"] / labelled
    width = round(BAR_WIDTH * share)
    return "#" * width + "." * (BAR_WIDTH - width) + f" {share:.0%}"


def findings(summary: manifest.Summary) -> list[str]:
    group, size = summary.largest_group
    lines = [
        f"{summary.num_videos} videos of {summary.num_identities} identities in {summary.num_groups} groups, "
        f"the largest {group!r} with {size}"
    ]
    if summary.num_without_identity:
        lines.append(f"no identity known: {summary.num_without_identity} videos, whose leaks go unchecked")
    lines += listed("missing files", [str(entry.path) for entry in summary.missing])
    equal = [" = ".join(entry.video_id for entry in same) for same in summary.duplicates]
    lines += listed("equal files", equal)
    contradictions = [
        " = ".join(f"{entry.video_id} ({manifest.label_word(entry)})" for entry in same)
        for same in summary.contradictions
    ]
    return lines + listed("equal files with different labels", contradictions)


def listed(what: str, found: Sequence[str]) -> list[str]:
    """Counts what was found, and names the first few."""
    more = [f"  and {len(found) - NUM_SHOWN} more"] if len(found) > NUM_SHOWN else []
    return [f"{what}: {len(found) or 'none'}", *(f"  {one}" for one in found[:NUM_SHOWN]), *more]


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
