"""Measures how a model holds when videos get worse: python -m pipelines.robustness RUN DATA --out DIR."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_tf import command, native_output

if TYPE_CHECKING:
    from rich.table import Table


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Scores a split as it is and worse: as JPEG, as H.264 at lower rates, shrunken, blurred, noisy, darker and "
        "lighter, with fewer frames, with faces cut out off centre. H.264, frame rate and off-centre crops are done to "
        "the videos, which are stored and extracted again. A measurement that was stopped goes on. Beside the run, "
        "pipelines.evaluate takes it up into the report."
    )
    parser.add_argument("run", type=Path, help="folder of a finished training")
    parser.add_argument(
        "data", type=Path, help="folder of shards, made by pipelines.extract; or a manifest, which is extracted first"
    )
    parser.add_argument("--split", default="test", help="whose videos to score")
    parser.add_argument(
        "--out", type=Path, default=argparse.SUPPRESS, help="folder of the results (default: robustness-SPLIT in RUN)"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these degradations, all if none")
    parser.add_argument("--max-videos", type=int, help="at most so many videos, as many reals as fakes if there are")
    parser.add_argument("--workers", type=int, default=2, help="processes that store videos again")
    parser.add_argument("--seed", type=int, default=0, help="of the noise and of the choice of videos")
    return parser


def work(arguments: argparse.Namespace) -> int:
    out_dir = getattr(arguments, "out", arguments.run / f"robustness-{arguments.split}")
    print(f"Scoring the split {arguments.split} of {arguments.data} with {arguments.run}, clean and worse.", flush=True)
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from deepfake_tf.degrading import robustness

    sweep = robustness.Sweep(
        split=arguments.split,
        names=tuple(arguments.only),
        max_videos=arguments.max_videos,
        num_workers=arguments.workers,
        seed=arguments.seed,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        of_manifest = bar.add_task("extracting videos", total=None, visible=arguments.data.is_file())
        cells = bar.add_task("cells", total=None)
        own = bar.add_task("", total=100)

        def extracted(done: int, total: int) -> None:
            bar.update(of_manifest, completed=done, total=total)

        def show(done: int, total: int, name: str, share: float) -> None:
            bar.update(cells, completed=done, total=total)
            bar.update(own, completed=round(100 * share), description=name, visible=bool(name))

        data = robustness.data_of(arguments.run, arguments.data, out_dir, sweep, on_progress=extracted)
        results = robustness.measure(arguments.run, data, out_dir, sweep, on_progress=show)
    print_table(results)
    print(f"The results are in {out_dir}: {robustness.RESULT_FILE}, {robustness.PICTURE_FILE}")
    return command.DONE


def print_table(results: dict) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{results['num_real']} real and {results['num_fake']} fake videos", title_justify="left")
    for name in ("degradation", "strength", "video AUC", "95 %", "change", "95 %", "judged"):
        table.add_column(name, justify="left" if name == "degradation" else "right")
    _add(table, "as they are", "", results["clean"])
    for curve in results["curves"]:
        table.add_section()
        for number, (label, point) in enumerate(curve["points"].items()):
            # A row that goes on with the one above says what the strengths are.
            title = (curve["title"], f"  {curve['unit']}", "")[min(number, 2)]
            _add(table, title, label, point)
    Console(width=120 if not sys.stdout.isatty() else None).print(table)


def _add(table: "Table", title: str, label: str, point: dict) -> None:
    low, high = point["roc_auc_interval"]
    change_low, change_high = point["change_interval"]
    row = (title, label, _text(point["roc_auc"]), f"{_text(low)} to {_text(high)}", _text(point["change"], "+.3f"))
    table.add_row(*row, f"{_text(change_low, '+.3f')} to {_text(change_high, '+.3f')}", str(point["num_judged"]))


def _text(value: float | None, form: str = ".3f") -> str:
    # Adding 0 makes 0 of -0.
    return "-" if value is None else format(round(value, 3) + 0.0, form)


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
