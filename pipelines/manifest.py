"""Makes the table of videos: python -m pipelines.manifest LAYOUT ROOT --out manifest.csv."""

import argparse
import dataclasses
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, layouts, plugins, splits
from deepfake_tf.errors import ConfigError
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.schema import SPLITS

# Fewer videos than this say nothing about a data set.
MANY = 20

# What remains of the arguments are the layout's own options.
OWN_ARGUMENTS = {"layout", "root", "out", *(one.name for one in dataclasses.fields(layouts.ManifestSettings))}


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Finds the videos of a data set, gives each its group and its split, and writes manifest.csv."
    )
    by_layout = parser.add_subparsers(
        dest="layout", metavar="LAYOUT", required=True, help="how the data set lies on disk; each has its own --help"
    )
    for name in plugins.names("layouts"):
        layout = layouts.load_layout(name)
        about = (layout.__doc__ or name).splitlines()[0]
        one = by_layout.add_parser(name, help=about, description=about)
        add_flags(one)
        layout.add_flags(one)
    return parser


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=Path, help="root of the data set; for the layout csv the table itself")
    parser.add_argument("--out", type=Path, required=True, help="manifest.csv to write")
    parser.add_argument("--dataset", help="name of the data set (default: that of the folder)")
    parser.add_argument(
        "--add",
        type=Path,
        action="append",
        default=[],
        metavar="MANIFEST",
        help="another manifest to merge in; repeatable",
    )
    parser.add_argument(
        "--split-by",
        choices=layouts.SPLIT_BY,
        default="official",
        help="official: the data set's own lists, where it has them; group: all splits are assigned by group",
    )
    default = ",".join(f"{share:g}" for share in splits.DEFAULT_SHARES)
    parser.add_argument(
        "--shares", type=shares, default=default, help="of train, val and test, where they are assigned"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other splits")
    parser.add_argument(
        "--accept-official-leak",
        action="store_true",
        help="keep the data set's own splits though they share identities",
    )
    parser.add_argument("--allow-one-class", action="store_true", help="accept videos that are all real, or all fake")
    parser.add_argument("--skip-missing", action="store_true", help="leave out videos that are listed and not there")
    parser.add_argument(
        "--attributes",
        type=Path,
        metavar="TABLE",
        help="further columns for the manifest, such as context: a table with the column path (below the root)",
    )


def shares(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def work(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    root: Path = arguments.root
    if not root.exists():
        raise ConfigError(f"There is no {root}. Expected the root of a data set.")
    print(f"Looking for videos in {root} (layout {arguments.layout}).", flush=True)
    settings = layouts.ManifestSettings(
        dataset=arguments.dataset or (root if root.is_dir() else root.parent).resolve().name,
        split_by=arguments.split_by,
        shares=arguments.shares,
        seed=arguments.seed,
        accept_official_leak=arguments.accept_official_leak,
        allow_one_class=arguments.allow_one_class,
        skip_missing=arguments.skip_missing,
        attributes=arguments.attributes,
        add=tuple(arguments.add),
    )
    options = {name: value for name, value in vars(arguments).items() if name not in OWN_ARGUMENTS}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("hashing", total=None)
        entries = layouts.make_manifest(
            arguments.layout,
            root,
            arguments.out,
            settings=settings,
            options=options,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for line in summary(entries):
        print(line)
    print(f"The manifest is {arguments.out}; look at it with: python -m pipelines.check {arguments.out}")
    return command.DONE


def summary(entries: Sequence[VideoEntry]) -> list[str]:
    counts = Counter(entry.split or "none" for entry in entries)
    groups = Counter(entry.group for entry in entries)
    shown = ", ".join(f"{counts[split]} {split}" for split in (*SPLITS, "none") if counts[split])
    lines = [f"{len(entries)} videos in {len(groups)} groups: {shown}"]
    if not any(entry.identities or entry.original_id for entry in entries):
        lines.append(
            "Identities are unknown: every video is its own group, and leaks go unchecked (see --help of the layout)."
        )
    num_equal = len(entries) - len({entry.sha256 for entry in entries})
    if num_equal:
        lines.append(f"{num_equal} videos have the same content as another; those stay in one split.")
    largest, size = groups.most_common(1)[0]
    if len(entries) >= MANY and size > len(entries) / 2:
        lines.append(
            f"The group {largest!r} holds {size} of them, joined by shared people, and can only be in one split: this "
            "data set serves to test what was trained on another (--split-by group --shares 0,0,1)."
        )
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
