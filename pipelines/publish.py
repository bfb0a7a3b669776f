"""Makes one file of a servable that can be given away: python -m pipelines.publish SERVABLE --out detector-3.tar.gz."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, native_output
from deepfake_tf.learning import settings


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Writes an archive of a servable with a model card, its licence and its spec, and prints its SHA-256, without "
        "which nobody fetches it. The same servable makes the same archive."
    )
    parser.add_argument("servable", type=Path, help="folder of the versions, whose newest is taken, or of one version")
    parser.add_argument("--out", type=Path, required=True, help="the archive, such as detector-3.tar.gz")
    parser.add_argument("--run", type=Path, required=True, help="the run that it was exported from")
    parser.add_argument("--report", type=Path, default=None, help="report.json of its evaluation, for the model card")
    parser.add_argument(
        "--licence", type=Path, required=True, help="text file: the terms you give the model away under"
    )
    return parser


def work(arguments: argparse.Namespace) -> int:
    settings.read_run(arguments.run)
    print(f"Packing {arguments.servable}.", flush=True)
    # TensorFlow takes its time to load: only now, with the run there.
    native_output.load_tensorflow()
    from rich.console import Console

    from deepfake_tf.publishing import publish

    with Console(stderr=True).status("loading and checking the servable"):
        made = publish(
            arguments.servable,
            arguments.out,
            run_dir=arguments.run,
            report=arguments.report,
            licence=arguments.licence,
        )
    if arguments.report is None:
        print("note: without --report the model card says that nothing was measured")
    print(f"{made.path}: {made.num_bytes:,} bytes")
    print(f"sha256  {made.sha256}")
    print("Put it where it can be fetched over https, and say the hash elsewhere. Then:")
    print(f'    Detector.load("https://.../{made.path.name}", sha256="{made.sha256}")')
    return command.DONE


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
