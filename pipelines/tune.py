"""Searches for the best settings of a training: python -m pipelines.tune DATA --out RUN --tuner hyperband."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_tf import command, native_output, plugins
from deepfake_tf.learning import train_flags
from deepfake_tf.searching import search_settings, search_workers

if TYPE_CHECKING:
    from rich.progress import Progress

    from deepfake_tf.searching.tuning import Standing


def build_parser() -> command.Parser:
    parser = command.Parser("Searches for the best settings of a training. A search that was stopped goes on.")
    parser.add_argument("data", type=Path, help="folder of shards, made by pipelines.extract")
    parser.add_argument("--out", type=Path, required=True, help="folder of the search, made if it is not there")
    defaults = search_settings.SearchSettings()
    parser.add_argument("--tuner", choices=search_settings.TUNERS, default=defaults.tuner, help="how to search")
    parser.add_argument("--max-trials", type=int, default=defaults.max_trials, help="trials at most")
    space = parser.add_argument_group("search space")
    for kind in ("backbones", "heads", "recipes"):
        text = f"{kind} to choose from: {', '.join(plugins.names(kind))}"
        space.add_argument(f"--{kind}", nargs="+", metavar="NAME", default=list(getattr(defaults, kind)), help=text)
    space.add_argument(
        "--space",
        nargs="+",
        default=[],
        metavar="NAME=VALUES",
        help="what to draw a setting from, as values or a range: learning_rate=1e-4:1e-3 batch_size=8,16 "
        "small_cnn.width=16,32; one value alone fixes it, and any other setting of a training may be drawn too",
    )
    machines = parser.add_argument_group("several machines, which share DATA and --out")
    machines.add_argument("--oracle", metavar="HOST:PORT", help="address of the chief, which hands out the trials")
    machines.add_argument("--tuner-id", metavar="NAME", help='"chief", or a name of its own for each worker')
    train_flags.add_flags(parser, without=search_settings.DRAWN)
    return parser


def work(arguments: argparse.Namespace) -> int:
    base = train_flags.from_flags(arguments)
    search = search_settings.SearchSettings(
        tuner=arguments.tuner,
        max_trials=arguments.max_trials,
        backbones=tuple(arguments.backbones),
        heads=tuple(arguments.heads),
        recipes=tuple(arguments.recipes),
        space=search_settings.parse_space(arguments.space),
    )
    if arguments.oracle or arguments.tuner_id:
        search_workers.set_place(arguments.tuner_id or "", arguments.oracle or "")
    place = search_workers.find_place()
    print(
        f"Searching ({arguments.tuner}) for the best {base.monitor} on the clips of {arguments.data}, "
        f"{arguments.max_trials} trials of {base.epochs} epochs at most{_as_what(place)}.",
        flush=True,
    )
    # TensorFlow takes its time to load: only now, with flags and settings checked.
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from deepfake_tf.searching import tuning

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with Progress(*columns, TextColumn("{task.fields[best]}"), console=console) as bar:
        show = _live(bar, arguments, place, base.monitor)
        if place.is_worker:
            tuning.tune_as_worker(arguments.data, arguments.out, base, search=search, on_progress=show)
        else:
            run = tuning.tune(arguments.data, arguments.out, base, search=search, on_progress=show)
    if place.is_worker:
        print(f"No trial is left. The chief writes what was found to {arguments.out}")
    else:
        print_summary(run, arguments)
    return command.DONE


def _live(
    bar: "Progress", arguments: argparse.Namespace, place: search_workers.Place, monitor: str
) -> "Callable[[Standing], None]":
    """Returns what shows a search on two bars, and leaves a line for each trial that is done."""
    trials = bar.add_task("trials", total=None if place.is_worker else arguments.max_trials, best="")
    running = bar.add_task("waiting for workers" if place.is_chief else "loading clips", total=None, best="")
    told, last = (0, 0), None

    def show(at: "Standing") -> None:
        nonlocal told, last
        best = "" if at.best is None else f"best {monitor} {at.best:.3f}"
        bar.update(trials, completed=at.num_finished, best=f"{best}  {at.num_failed} failed".strip())
        if at.training:
            last = at
            epoch = f"trial {at.trial}, epoch {at.training.epoch}/{at.training.num_epochs}"
            bar.update(running, description=epoch, completed=at.training.step, total=at.training.num_steps)
        elif at.num_finished > told[0]:
            # A chief trains nothing itself.
            run = last.training.best if last and last.training else None
            ended = f"trial {last.trial}" if last else f"{at.num_finished} trials ended"
            how = "failed" if at.num_failed > told[1] else f"{monitor} {run[monitor]:.3f}" if run else ""
            bar.console.print("  ".join(one for one in (ended, how, best) if one))
        if not at.training:
            told = (at.num_finished, at.num_failed)

    return show


def _as_what(place: search_workers.Place) -> str:
    if place.is_chief:
        return f", by workers that ask {place.address}"
    return f", as {place.name}, for the chief at {place.address}" if place.is_worker else ""


def print_summary(run: dict, arguments: argparse.Namespace) -> None:
    result = run["result"]
    print(f"Trials: {result['num_trials']}, failed: {result['num_failed']}")
    print(f"Best {result['monitor']}: {result['best']:.4f}, in {arguments.out / result['best_run']}, with")
    for name in dict.fromkeys(
        [*search_settings.DRAWN, *(name for name in result["identity"]["search"]["space"] if "." not in name)]
    ):
        print(f"  {name:<18}{run['settings'][name]}")
    print(f"All trials are in {arguments.out / 'trials.csv'}, and with pictures in {arguments.out / 'search.html'}")
    print(f"Train with: python -m pipelines.train {arguments.data} --out RUN --settings {arguments.out / 'run.json'}")


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
