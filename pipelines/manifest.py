"""Makes the table of videos: python -m pipelines.manifest LAYOUT ROOT --out manifest.csv."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, layouts, plugins, splits
from deepfake_tf.errors import ConfigError

# What remains of the arguments are the layout's own options.
OWN_ARGUMENTS = ("layout", "root", "out", "dataset", "shares", "seed", "accept_official_leak", "allow_one_class")


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
    default = ",".join(f"{share:g}" for share in splits.DEFAULT_SHARES)
    parser.add_argument("--shares", type=shares, default=default, help="of train, val and test")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other splits")
    parser.add_argument(
        "--accept-official-leak",
        action="store_true",
        help="keep the data set's own splits though they share identities",
    )
    parser.add_argument("--allow-one-class", action="store_true", help="accept videos that are all real, or all fake")


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
        shares=arguments.shares,
        seed=arguments.seed,
        accept_official_leak=arguments.accept_official_leak,
        allow_one_class=arguments.allow_one_class,
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
    counts = Counter(entry.split or "none" for entry in entries)
    num_groups = len({entry.group for entry in entries})
    print(f"{len(entries)} videos in {num_groups} groups: " + ", ".join(f"{n} {split}" for split, n in counts.items()))
    if not any(entry.identities or entry.original_id for entry in entries):
        print(
            "Identities are unknown: every video is its own group, and leaks go unchecked (see --help of the layout)."
        )
    print(f"The manifest is {arguments.out}; look at it with: python -m pipelines.check {arguments.out}")
    return command.DONE


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
