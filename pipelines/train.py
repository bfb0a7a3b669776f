"""Trains a model on extracted clips: python -m pipelines.train DATA --out RUN --backbone small_cnn --head lstm."""

import argparse
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake_tf import command, native_output
from deepfake_tf.learning import train_flags

if TYPE_CHECKING:
    from rich.progress import Progress

    from deepfake_tf.learning.training import Progress as Standing


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Trains a model on extracted clips. A run that was stopped goes on; a finished one is kept. "
        "The defaults train a small network on a laptop; begin with --backbone, --head, --epochs and --batch-size."
    )
    parser.add_argument("data", type=Path, help="folder of shards, made by pipelines.extract")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, made if it is not there")
    train_flags.add_flags(parser)
    loading = parser.add_argument_group("loading", "How batches are made ready; the result does not depend on it.")
    loading.add_argument(
        "--threads", type=int, metavar="N", help="that make batches ready (default: a thread a core, 16 at most)"
    )
    loading.add_argument(
        "--cache", default="", metavar="memory|FOLDER", help="keep decoded clips there, so that each is decoded once"
    )
    running = parser.add_argument_group(
        "running",
        "No settings of the run. Several machines share DATA and --out, and each has the variable TF_CONFIG with the "
        "addresses of all.",
    )
    running.add_argument(
        "--devices", type=int, default=0, metavar="N", help="GPUs of this machine (default: all of them, else one CPU)"
    )
    running.add_argument(
        "--save-every-min", type=float, default=10.0, metavar="MINUTES", help="what a kill costs at most"
    )
    running.add_argument("--tensorboard", action="store_true", help="write curves for TensorBoard to RUN/tensorboard")
    return parser


def work(arguments: argparse.Namespace) -> int:
    chosen = train_flags.from_flags(arguments)
    print(
        f"Training {chosen.backbone} with {chosen.head} on the clips of {arguments.data}, "
        f"{chosen.epochs} epochs at most, best by {chosen.monitor}.",
        flush=True,
    )
    # TensorFlow takes its time to load: only now, with flags and settings checked.
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from deepfake_tf.batching.loading import Loading
    from deepfake_tf.learning.training import train

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with Progress(*columns, TextColumn("{task.fields[news]}"), console=console) as bar:
        run = train(
            arguments.data,
            arguments.out,
            chosen,
            loading=Loading(num_threads=arguments.threads, cache=arguments.cache or ""),
            on_progress=_live(bar, chosen.monitor),
            num_devices=arguments.devices,
            save_every_sec=60 * arguments.save_every_min,
            tensorboard=arguments.tensorboard,
        )
    print_summary(run, arguments.out)
    return command.DONE


def _live(bar: "Progress", monitor: str) -> "Callable[[Standing], None]":
    """Returns what shows a step on the bar, and leaves a line for each epoch that is done."""
    task = bar.add_task("loading clips", total=None, news="")
    told, since = 0, time.monotonic()

    def show(at: "Standing") -> None:
        nonlocal told, since
        if at.step == at.num_steps and at.metrics.get("epoch") == at.epoch > told:
            took_sec, told, since = time.monotonic() - since, at.epoch, time.monotonic()
            is_best = bool(at.best and at.best["epoch"] == at.epoch)
            bar.console.print(
                f"epoch {at.epoch:>3}  {_figures(at.metrics)}  {took_sec:.0f} s{'  best' if is_best else ''}"
            )
        best = f"best {monitor} {at.best[monitor]:.3f} (epoch {at.best['epoch']:.0f})" if at.best else ""
        speed = f"{at.clips_per_sec:.0f} clips/s" if at.clips_per_sec else ""
        news = [f"loss {at.metrics['loss']:.3f}" if "loss" in at.metrics else "", speed, best]
        bar.update(
            task,
            description=f"epoch {at.epoch}/{at.num_epochs}",
            completed=at.step,
            total=at.num_steps,
            news="  ".join(one for one in news if one),
        )

    return show


def _figures(metrics: Any) -> str:
    names = ("loss", "train_auc", "val_loss", "val_auc", "val_video_auc")
    return "  ".join(f"{name} {metrics[name]:.3f}" for name in names if name in metrics)


def print_summary(run: dict[str, Any], out: Path) -> None:
    from deepfake_tf.batching import timing
    from deepfake_tf.learning.learning_curves import CURVES_FILE
    from deepfake_tf.runs import TIMING_FILE

    result = run["result"]
    print(f"Best of {result['num_epochs']} epochs by {result['monitor']}: epoch {result['best_epoch']}")
    for name, value in result["metrics"].items():
        print(f"  {name:<16}{value:.4f}")
    print(f"What the curves in {out / CURVES_FILE} say:")
    print(textwrap.indent("\n".join(result["reading"]), "  "))
    if told := timing.read_text(out / TIMING_FILE):
        print("Time spent making batches ready, all threads together:")
        print(textwrap.indent(told, "  "))
    print(f"The run is in {out}")


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
