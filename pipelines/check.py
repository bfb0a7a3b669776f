"""Looks whether a manifest is sound: python -m pipelines.check manifest.csv."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_tf import command, manifest, splits
from deepfake_tf.schema import SPLITS

if TYPE_CHECKING:
    from rich.table import Table

LABELS = ("real", "fake", "unlabelled")
NUM_SHOWN = 5


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Counts the videos of a manifest; looks for leaks, missing files and duplicates. Ends with 0 if all is well, "
        "1 if files are missing or equal files have different labels, 2 if splits leak."
    )
    parser.add_argument("manifest", type=Path, help="made by pipelines.manifest")
    parser.add_argument("--accept-official-leak", action="store_true", help="only report a leak between the splits")
    return parser


def work(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    entries = manifest.read_manifest(arguments.manifest)
    summary = manifest.summarise(entries)
    console = Console(soft_wrap=True, highlight=False)
    console.print(split_table(summary))
    console.print(method_table(summary))
    for line in findings(summary, len(entries)):
        console.print(line, markup=False)
    leak = splits.find_leak(entries)
    if leak and not arguments.accept_official_leak:
        splits.check_no_leak(entries)
    console.print(f"leak: {leak}" if leak else "leaks: none", markup=False)
    return command.SOME_FAILED if summary.missing or summary.contradictions else command.DONE


def split_table(summary: manifest.Summary) -> "Table":
    from rich.table import Table

    table = Table("split", *LABELS, "groups", "balance", title="Videos by split")
    for column in table.columns[1:-1]:
        column.justify = "right"
    for split in (*SPLITS, ""):
        counts = Counter({label: 0 for label in LABELS})
        for (one, _, label), count in summary.counts.items():
            counts[label] += count * (one == split)
        if counts.total():
            shown = [str(counts[label]) for label in LABELS]
            table.add_row(split or "none", *shown, str(summary.groups.get(split, 0)), balance(counts))
    return table


def balance(counts: Counter[str]) -> str:
    """Draws the share of fakes among the labelled videos as a bar."""
    labelled = counts["real"] + counts["fake"]
    if not labelled:
        return ""
    width = round(20 * counts["fake"] / labelled)
    return "#" * width + "." * (20 - width) + f" {counts['fake'] / labelled:.0%} fake"


def method_table(summary: manifest.Summary) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table("method", *LABELS, title="Videos by method")
    for column in table.columns[1:]:
        column.justify = "right"
    for method in sorted({method for _, method, _ in summary.counts}):
        counts = Counter({label: 0 for label in LABELS})
        for (_, one, label), count in summary.counts.items():
            counts[label] += count * (one == method)
        table.add_row(escape(method) or "-", *[str(counts[label]) for label in LABELS])
    return table


def findings(summary: manifest.Summary, num_videos: int) -> list[str]:
    lines = [f"{num_videos} videos in {summary.num_groups} groups"]
    if summary.num_without_identity:
        lines.append(f"no identity known: {summary.num_without_identity} videos, whose leaks go unchecked")
    lines.append(f"missing files: {len(summary.missing) or 'none'}")
    lines += [f"  {entry.path}" for entry in summary.missing[:NUM_SHOWN]]
    lines.append(f"equal files: {len(summary.duplicates) or 'none'}")
    for same in summary.duplicates[:NUM_SHOWN]:
        lines.append("  " + " = ".join(entry.video_id for entry in same))
    lines.append(f"equal files with different labels: {len(summary.contradictions) or 'none'}")
    for same in summary.contradictions[:NUM_SHOWN]:
        lines.append("  " + " = ".join(f"{entry.video_id} ({manifest.label_word(entry)})" for entry in same))
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
