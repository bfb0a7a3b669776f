"""Trains a model on extracted clips: python -m pipelines.train DATA --out RUN --backbone small_cnn --head lstm."""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, native_output, settings, train_flags


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Trains a model on extracted clips. A run that was stopped goes on; a finished one is kept."
    )
    parser.add_argument("data", type=Path, help="folder of shards, made by pipelines.extract")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, made if it is not there")
    parser.add_argument("--settings", type=Path, metavar="RUN_JSON", help="take the settings of this run.json first")
    train_flags.add_flags(parser)
    loading = parser.add_argument_group("loading", "How batches are made ready; the result does not depend on it.")
    loading.add_argument("--threads", type=int, metavar="N", help="that make batches ready (default: as many as pay)")
    loading.add_argument(
        "--cache", default="", metavar="memory|FOLDER", help="keep decoded clips there, so that each is decoded once"
    )
    return parser


def work(arguments: argparse.Namespace) -> int:
    base = settings.read_settings(arguments.settings) if arguments.settings else settings.TrainSettings()
    chosen = train_flags.from_flags(arguments, base)
    print(
        f"Training {chosen.backbone} with {chosen.head} on the clips of {arguments.data}, "
        f"{chosen.epochs} epochs at most, best by {chosen.monitor}.",
        flush=True,
    )
    # TensorFlow takes its time to load: only now, with flags and settings checked.
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from deepfake_tf import timing
    from deepfake_tf.loading import Loading
    from deepfake_tf.runs import TIMING_FILE
    from deepfake_tf.training import Progress as Standing
    from deepfake_tf.training import train

    loading = Loading(num_threads=arguments.threads, cache=arguments.cache)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[metrics]}"), console=Console(stderr=True)) as bar:
        task = bar.add_task("loading clips", total=None, metrics="")

        def show(at: Standing) -> None:
            shown = {name: at.metrics[name] for name in ("loss", chosen.monitor) if name in at.metrics}
            bar.update(
                task,
                description=f"epoch {at.epoch}/{at.num_epochs}",
                completed=at.step,
                total=at.num_steps,
                metrics="  ".join(f"{name} {value:.3f}" for name, value in shown.items()),
            )

        run = train(arguments.data, arguments.out, chosen, on_progress=show, loading=loading)
    result = run["result"]
    print(f"Best of {result['num_epochs']} epochs by {result['monitor']}: epoch {result['best_epoch']}")
    for name, value in result["metrics"].items():
        print(f"  {name:<16}{value:.4f}")
    if told := timing.read_text(arguments.out / TIMING_FILE):
        print("Time spent making batches ready, all threads together:")
        print(textwrap.indent(told, "  "))
    print(f"The run is in {arguments.out}")
    return command.DONE


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
