"""Tests whether two runs differ on the same videos: python -m pipelines.compare RUN_A RUN_B DATA."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, native_output
from deepfake_tf.schema import SPLITS


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Evaluates two runs on the same videos and says whether one is better: DeLong's test of the AUCs, and a paired "
        "bootstrap over groups, which decides."
    )
    parser.add_argument("first", type=Path, help="folder of a finished run")
    parser.add_argument("second", type=Path, help="folder of another")
    parser.add_argument("data", type=Path, help="folder of shards, made by pipelines.extract")
    parser.add_argument("--split", choices=SPLITS, default="test", help="whose videos to score")
    parser.add_argument(
        "--out", type=Path, default=argparse.SUPPRESS, help="folder for both evaluations (default: in the first run)"
    )
    return parser


def work(arguments: argparse.Namespace) -> int:
    first, second = arguments.first, arguments.second
    print(f"Comparing {first} with {second} on the split {arguments.split} of {arguments.data}.", flush=True)
    out_dir = getattr(arguments, "out", first / f"against-{second.resolve().name}-{arguments.split}")
    # TensorFlow takes its time to load: only now, with the flags checked.
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import Progress

    from deepfake_tf.reporting.comparison import check_runs_differ, compare

    check_runs_differ(first, second)
    with Progress(console=Console(stderr=True)) as bar:
        tasks = {side: bar.add_task(f"scoring with the {side}", total=None) for side in ("first", "second")}
        found = compare(
            first,
            second,
            arguments.data,
            arguments.split,
            out_dir,
            on_progress=lambda side, done, total: bar.update(tasks[side], completed=done, total=total),
        )
    print_summary(found)
    print(f"The comparison is {out_dir / 'comparison.json'}, the reports are beside it")
    return command.DONE


def print_summary(found: dict) -> None:
    counts = f"{found['num_real']} real and {found['num_fake']} fake videos in {found['num_groups']} groups"
    alone = found["only_first"] + found["only_second"]
    print(f"{counts}, judged by both" + (f"; {alone} judged by one alone are left out" if alone else ""))
    print(f"  {'':<20}{'first':>8}{'second':>8}{'change':>9}  95 % interval")
    for name, one in found["differences"].items():
        low, high = one["interval"]
        interval = "" if low is None else f"{low:+.3f} to {high:+.3f}"
        print(f"  {name:<20}{one['first']:>8.3f}{one['second']:>8.3f}{one['difference']:>+9.3f}  {interval}")
    tested, right = found["delong"], found["right"]
    z = "" if tested["z"] is None else f"z {tested['z']:.2f}, "
    print(f"  DeLong: {z}{_chance(tested['p'])} if videos were independent")
    print(
        f"  answers: both right {right['both']}, only the first {right['first_only']}, only the second "
        f"{right['second_only']}, neither {right['neither']}; McNemar {_chance(right['p'])}"
    )
    print(found["words"])


def _chance(p: float) -> str:
    return f"p {p:.3f}" if p >= 0.001 else "p below 0.001"


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
