"""Chooses how a run's logits become answers, on validation: python -m pipelines.calibrate RUN DATA."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, native_output
from deepfake_tf.schema import JOINING_RULES, SPLITS

METHODS = ("temperature", "platt", "isotonic", "none")


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Chooses on validation how clips are joined, what score a logit means, which score is fake, and which are too "
        "near to say. RUN/calibration.json holds it; evaluate and export use it."
    )
    parser.add_argument("run", type=Path, help="folder of a finished run, made by pipelines.train")
    parser.add_argument("data", type=Path, help="folder of shards, made by pipelines.extract")
    parser.add_argument("--split", choices=SPLITS, default="val", help="whose videos to choose on; test is refused")
    parser.add_argument("--joining", choices=("auto", *JOINING_RULES), default="auto", help="how clips make a video")
    parser.add_argument("--method", choices=METHODS, default="temperature", help="from a video's logit to its score")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument(
        "--max-fpr", type=float, metavar="RATE", help="threshold: at most this share of reals called fake"
    )
    goal.add_argument(
        "--cost-false-alarm", type=float, metavar="C", help="threshold: the lowest cost, where a missed fake costs 1"
    )
    parser.add_argument(
        "--share-fakes", type=float, metavar="P", help="with --cost-false-alarm: of the videos to be judged"
    )
    parser.add_argument(
        "--inconclusive", type=float, default=0.1, metavar="SHARE", help="of the videos that may be too near to say"
    )
    return parser


def work(arguments: argparse.Namespace) -> int:
    print(f"Calibrating {arguments.run} on the split {arguments.split} of {arguments.data}.", flush=True)
    from deepfake_tf.judging.decision import CALIBRATION_FILE, Goal

    goal = Goal(arguments.max_fpr, arguments.cost_false_alarm, arguments.share_fakes)
    # TensorFlow takes its time to load: only now, with the flags checked.
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import Progress

    from deepfake_tf.judging.run_calibration import Wanted, calibrate

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("scoring clips", total=None)
        found = calibrate(
            arguments.run,
            arguments.data,
            Wanted(arguments.joining, arguments.method, goal, arguments.inconclusive),
            split=arguments.split,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print_summary(found)
    print(f"It is in {arguments.run / CALIBRATION_FILE}; pipelines.evaluate and pipelines.export use it.")
    return command.DONE


def print_summary(found: dict) -> None:
    chosen, on = found["decision"], found["chosen_on"]
    print(f"{on['num_real']} real and {on['num_fake']} fake videos")
    losses = ", ".join(f"{name} {loss:.3f}" for name, loss in on["joinings"].items())
    print(f"  joining      {chosen['joining']} (log loss of each, at its own temperature: {losses})")
    print(f"  calibration  {_calibration(chosen['calibration'])}")
    rates = on["rates"]
    print(f"  threshold    {chosen['threshold']:.3f}: {on['goal']}")
    print(f"    {'':<11}{rates['false_positive']:.1%} of the reals and {rates['true_positive']:.1%} of the fakes above")
    print(f"  band         {chosen['band']:.3f}: {rates['inconclusive']:.1%} of the videos are INCONCLUSIVE")
    print(f"  {'':<12}{'before':>8}{'after':>8}   on these videos; the test split says how good it is")
    for name, before in on["before"].items():
        print(f"  {name:<12}{_text(before):>8}{_text(on['after'][name]):>8}")
    for note in on["notes"]:
        print(f"  note: {note}")


def _calibration(values: dict) -> str:
    if values["logits"]:
        return f"isotonic, {len(values['logits'])} knots"
    offset = f" {values['offset']:+.3g}" if values["offset"] else ""
    return f"{values['method']}, sigmoid({values['scale']:.3g} * logit{offset})"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
