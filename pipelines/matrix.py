"""Evaluates runs on data sets, each on each: python -m pipelines.matrix RUN ... --data DATA ... --out DIR."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, native_output
from deepfake_tf.schema import SPLITS


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Evaluates several runs on several data sets, and draws their AUCs as a heat map: how well a detector does on "
        "videos unlike those it was trained on."
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of finished runs")
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="DATA", help="folders of shards")
    parser.add_argument("--out", type=Path, required=True, help="folder for the table, the picture and each report")
    parser.add_argument("--split", choices=SPLITS, default="test", help="whose videos to score")
    return parser


def work(arguments: argparse.Namespace) -> int:
    num_cells = len(arguments.runs) * len(arguments.data)
    print(f"{len(arguments.runs)} runs on {len(arguments.data)} data sets, {num_cells} evaluations.", flush=True)
    # TensorFlow takes its time to load: only now, with the flags checked.
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import Progress

    from deepfake_tf.reporting.matrix import evaluate_all

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("scoring", total=None)

        def show(run: str, data: str, done: int, total: int) -> None:
            bar.update(task, description=f"{run} on {data}", completed=done, total=total)

        found = evaluate_all(arguments.runs, arguments.data, arguments.out, split=arguments.split, on_progress=show)
    print_summary(found)
    print(f"The table is {arguments.out / 'matrix.csv'}, the picture {arguments.out / 'matrix.png'}")
    return command.SOME_FAILED if any(cell["auc"] is None for cell in found["cells"]) else command.DONE


def print_summary(found: dict) -> None:
    width = max(len(name) for name in (*found["runs"], "run")) + 2
    columns = {name: max(len(name), 22) + 2 for name in found["data"]}
    print(f"video AUC, 95 % interval over groups; * trained on that data set\n{'run':<{width}}", end="")
    print("".join(f"{name:<{columns[name]}}" for name in columns) + "mean of the others")
    for run in found["runs"]:
        cells = [one for one in found["cells"] if one["run"] == run]
        elsewhere = found["elsewhere"][run]
        print(f"{run:<{width}}" + "".join(f"{_text(one):<{columns[one['data']]}}" for one in cells), end="")
        print("-" if elsewhere is None else f"{elsewhere:.3f}")
    for cell in found["cells"]:
        if cell["reason"]:
            print(f"  {cell['run']} on {cell['data']}: {cell['reason']}")


def _text(cell: dict) -> str:
    if cell["auc"] is None:
        return "-"
    low, high = cell["interval"]
    star = "*" if cell["trained_on"] else ""
    return f"{cell['auc']:.3f}{star}" + ("" if low is None else f" ({low:.3f} to {high:.3f})")


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
