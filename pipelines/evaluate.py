"""Scores a split with a trained model and writes a report: python -m pipelines.evaluate RUN DATA --split test."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, native_output
from deepfake_tf.schema import SPLITS


def build_parser() -> command.Parser:
    parser = command.Parser("Scores a split with a trained model and reports how right it was.")
    parser.add_argument("run", type=Path, help="folder of a finished run, made by pipelines.train")
    parser.add_argument("data", type=Path, help="folder of shards, made by pipelines.extract")
    parser.add_argument("--split", choices=SPLITS, default="test", help="whose videos to score")
    parser.add_argument(
        "--by", nargs="+", default=[], metavar="COLUMN", help="columns of the manifest to measure by, beside the usual"
    )
    parser.add_argument(
        "--robustness", type=Path, metavar="DIR", help="what pipelines.robustness made, for the report; found in RUN"
    )
    parser.add_argument("--out", type=Path, default=argparse.SUPPRESS, help="folder of the report (default: in RUN)")
    return parser


def work(arguments: argparse.Namespace) -> int:
    print(f"Scoring the split {arguments.split} of {arguments.data} with {arguments.run}.", flush=True)
    out_dir = getattr(arguments, "out", arguments.run / f"evaluation-{arguments.split}")
    # TensorFlow takes its time to load: only now, with the flags checked.
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import Progress

    from deepfake_tf.reporting.evaluation import evaluate, take_up_robustness

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("scoring clips", total=None)
        report = evaluate(
            arguments.run,
            arguments.data,
            arguments.split,
            out_dir,
            by=arguments.by,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
        if arguments.robustness:
            take_up_robustness(out_dir, report, arguments.robustness)
    print_summary(report)
    print(f"The report is {out_dir / 'report.html'}")
    return command.DONE


def print_summary(report: dict) -> None:
    from deepfake_tf.reporting import breakdown

    coverage, videos, chosen = report["coverage"], report["videos"], report["decision"]
    print(f"{coverage['num_judged']} of {coverage['num_videos']} videos judged", end="")
    print("".join(f", {count} {outcome or 'not extracted'}" for outcome, count in coverage["refused"].items()))
    print(
        f"clips joined by {chosen['joining']}, calibration {chosen['calibration']['method']}, threshold "
        f"{videos['threshold']:.3f}; {coverage['num_inconclusive']} INCONCLUSIVE, within {videos['band']:.3f} of it"
    )
    print(f"  {'':<20}{'videos':>8}  {'95 % interval':<16}{'faces':>8}{'clips':>8}")
    for name, value in videos["metrics"].items():
        others = "".join(f"{_text(report[level]['metrics'][name]):>8}" for level in ("tracks", "clips"))
        print(f"  {name:<20}{_text(value):>8}  {_interval(videos['intervals'][name]):<16}{others}")
    for name, note in videos["notes"].items():
        print(f"  {name}: {note}")
    for line in breakdown.lines(report["by"]):
        print(line)


def _interval(ends: list) -> str:
    return "" if ends[0] is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
