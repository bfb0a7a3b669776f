"""Makes a trained model small enough for the edge: python -m pipelines.litert RUN DATA --out edge."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepfake_tf import command, native_output, schema
from deepfake_tf.learning import settings

KINDS = ("float32", "float16", "int8")


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Converts a finished run to LiteRT files that need no TensorFlow, and measures size, agreement and speed of "
        "each beside the SavedModel's, on validation videos."
    )
    parser.add_argument("run", type=Path, help="folder of a finished run, made by pipelines.train")
    parser.add_argument("data", type=Path, help="folder of shards, made by pipelines.extract")
    parser.add_argument("--out", type=Path, required=True, help="folder of the files")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="which to make")
    parser.add_argument("--model-name", default=schema.MODEL_NAME, help="name of the files")
    parser.add_argument("--version", type=int, default=1, help="what they say of themselves")
    parser.add_argument("--num-examples", type=int, default=100, help="training clips that int8 takes its ranges from")
    parser.add_argument("--max-clips", type=int, default=200, help="validation clips that are measured on")
    return parser


def work(arguments: argparse.Namespace) -> int:
    settings.read_run(arguments.run)
    print(f"Converting {arguments.run} for LiteRT, with clips of {arguments.data}.", flush=True)
    # TensorFlow takes its time to load: only now, with the run there.
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import Progress

    from deepfake_tf.edge import TABLE_FILE, EdgeExport, export_run

    wanted = EdgeExport(
        tuple(arguments.kinds), arguments.model_name, arguments.version, arguments.num_examples, arguments.max_clips
    )
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        table = export_run(
            arguments.run,
            arguments.data,
            arguments.out,
            wanted,
            on_progress=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    print_table(table)
    print(f"The files and {TABLE_FILE} are in {arguments.out}")
    return command.DONE


def print_table(table: Sequence[dict[str, Any]]) -> None:
    print(f"{'':<12}{'KB':>10}{'score off by':>14}{'same answer':>13}{'ms a clip':>11}")
    for row in table:
        agreement = f"{row['score_difference']:>14.2g}{row['agreement']:>13.1%}"
        was_there = "" if row.get("made", True) else "  (was there)"
        print(f"{row['name']:<12}{row['num_bytes'] / 1000:>10,.0f}{agreement}{row['ms_per_clip']:>11.1f}{was_there}")


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
