"""Cross-validates by group and trains a final model: python -m pipelines.crossval DATA --out RUN --folds 5."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepfake_tf import command, native_output
from deepfake_tf.learning import train_flags


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Scores every video by a model that has seen nobody of its group, the test split left out, and trains a final "
        "model on all of them. One that was stopped goes on; a finished one is kept."
    )
    parser.add_argument("data", type=Path, help="folder of shards, made by pipelines.extract")
    parser.add_argument("--out", type=Path, required=True, help="folder for all of it, made if it is not there")
    folds = parser.add_argument_group("folds")
    folds.add_argument("--folds", type=int, default=5, help="how many, whole groups in each")
    folds.add_argument(
        "--val-share", type=float, default=0.15, help="of the videos outside a fold, to choose its best epoch on"
    )
    folds.add_argument("--fold-seed", type=int, default=0, help="another one deals the groups in another way")
    train_flags.add_flags(parser)
    return parser


def work(arguments: argparse.Namespace) -> int:
    chosen = train_flags.from_flags(arguments)
    print(
        f"Cross-validating {chosen.backbone} with {chosen.head} on {arguments.data} in {arguments.folds} folds by "
        f"group, {chosen.epochs} epochs at most, best by {chosen.monitor}; then a final training on all.",
        flush=True,
    )
    # TensorFlow takes its time to load: only now, with flags and settings checked.
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from deepfake_tf.searching import crossval

    folds = crossval.FoldSettings(arguments.folds, arguments.val_share, arguments.fold_seed)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        trainings = bar.add_task("trainings", total=arguments.folds + 1)
        task = bar.add_task("loading clips", total=None)

        def show(at: crossval.Standing) -> None:
            bar.update(trainings, completed=at.fold + (at.training is None))
            if at.training:
                what = "final model" if at.fold == at.num_folds else f"without fold {at.fold}"
                epoch = f"{what}, epoch {at.training.epoch}/{at.training.num_epochs}"
                bar.update(task, description=epoch, completed=at.training.step, total=at.training.num_steps)

        result = crossval.cross_validate(arguments.data, arguments.out, chosen, folds=folds, on_progress=show)
        bar.update(trainings, completed=arguments.folds + 1)
    print_summary(result, arguments.out)
    return command.DONE


def print_summary(result: dict[str, Any], out: Path) -> None:
    from deepfake_tf.reporting import breakdown

    print("fold  real  fake  groups  best epoch  video AUC")
    for row in result["folds"]:
        epoch = f"{row['best_epoch']} of {row['num_epochs']}"
        counts = f"{row['fold']:>4}{row['num_real']:>6}{row['num_fake']:>6}{row['num_groups']:>8}"
        print(f"{counts}{epoch:>12}{_number(row['metrics']['roc_auc']):>11}")
    if any(row["num_left_out"] for row in result["folds"]):
        counts = ", ".join(str(row["num_left_out"]) for row in result["folds"])
        print(f"Left out of the folds, as fakes that wear the face of somebody of another part: {counts}")
    over, pooled = result["over_folds"]["roc_auc"], result["pooled"]["videos"]
    print(f"Mean over folds {_number(over['mean'])}, standard deviation {_number(over['spread'])}")
    low, high = pooled["intervals"]["roc_auc"]
    print(
        f"All scores together {_number(pooled['metrics']['roc_auc'])}, 95 % over {pooled['num_groups']} groups: "
        f"{_number(low)} to {_number(high)}"
    )
    for line in breakdown.lines(result["pooled"]["by"]):
        print(line)
    print(f"Scores of each video are in {out / 'oof_scores.csv'}, the page is {out / 'crossval.html'}")
    print(f"The final model, {result['final']['num_epochs']} epochs on all of it, is in {out / 'final'}")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
