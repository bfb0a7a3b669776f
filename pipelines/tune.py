"""Searches for the best settings of a training: python -m pipelines.tune DATA --out RUN --tuner hyperband."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, native_output, plugins, settings

# What the space draws, and so no flag fixes.
DRAWN = ("backbone", "head", "backbone_settings", "head_settings", "dropout", "recipe", "batch_size", "learning_rate")


def build_parser() -> command.Parser:
    parser = command.Parser("Searches for the best settings of a training. A search that was stopped goes on.")
    parser.add_argument("data", type=Path, help="folder of shards, made by pipelines.extract")
    parser.add_argument("--out", type=Path, required=True, help="folder of the search, made if it is not there")
    defaults = settings.SearchSettings()
    parser.add_argument("--tuner", choices=settings.TUNERS, default=defaults.tuner, help="how to search")
    parser.add_argument("--max-trials", type=int, default=defaults.max_trials, help="trials at most")
    space = parser.add_argument_group("search space")
    for kind in ("backbones", "heads", "recipes"):
        known, default = plugins.names(kind), list(getattr(defaults, kind))
        space.add_argument(f"--{kind}", nargs="+", choices=known, default=default, help=f"{kind} to choose from")
    sizes = list(defaults.batch_sizes)
    space.add_argument("--batch-sizes", nargs="+", type=int, default=sizes, help="batch sizes to choose from")
    rates = list(defaults.learning_rate)
    space.add_argument("--learning-rates", nargs=2, type=float, default=rates, help="lowest and highest")
    settings.add_flags(parser, without=DRAWN)
    return parser


def work(arguments: argparse.Namespace) -> int:
    base = settings.from_flags(arguments, settings.TrainSettings())
    search = settings.SearchSettings(
        tuner=arguments.tuner,
        max_trials=arguments.max_trials,
        backbones=tuple(arguments.backbones),
        heads=tuple(arguments.heads),
        recipes=tuple(arguments.recipes),
        batch_sizes=tuple(arguments.batch_sizes),
        learning_rate=(arguments.learning_rates[0], arguments.learning_rates[1]),
    )
    print(
        f"Searching ({arguments.tuner}) for the best {base.monitor} on the clips of {arguments.data}, "
        f"{arguments.max_trials} trials of {base.epochs} epochs at most.",
        flush=True,
    )
    # TensorFlow takes its time to load: only now, with flags and settings checked.
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from deepfake_tf.tuning import Standing, tune

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[best]}"), console=Console(stderr=True)) as bar:
        trials = bar.add_task("trials", total=arguments.max_trials, best="")
        trial = bar.add_task("loading clips", total=None, best="")

        def show(at: Standing) -> None:
            best = "" if at.best is None else f"best {base.monitor} {at.best:.3f}"
            bar.update(trials, completed=at.num_finished, best=f"{best}  {at.num_failed} failed".strip())
            if at.training:
                epoch = f"trial {at.num_finished + 1}, epoch {at.training.epoch}/{at.training.num_epochs}"
                bar.update(trial, description=epoch, completed=at.training.step, total=at.training.num_steps)

        run = tune(arguments.data, arguments.out, base, search=search, on_progress=show)
    print_summary(run, arguments)
    return command.DONE


def print_summary(run: dict, arguments: argparse.Namespace) -> None:
    result = run["result"]
    print(f"{result['num_trials']} trials, {result['num_failed']} failed")
    print(f"Best {result['monitor']}: {result['best']:.4f}, in {arguments.out / result['best_run']}, with")
    for name in DRAWN:
        print(f"  {name:<18}{run['settings'][name]}")
    print(f"All trials are in {arguments.out / 'trials.csv'}")
    print(f"Train with: python -m pipelines.train {arguments.data} --out RUN --settings {arguments.out / 'run.json'}")


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
