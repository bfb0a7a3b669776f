"""Publishes a trained model for serving: python -m pipelines.export RUN --out servables/detector."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, native_output
from deepfake_tf.learning import settings
from deepfake_tf.versions import version_dirs


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Makes the next version of a servable from a finished run, checks it against the trained model and publishes "
        "it. A model server that watches the folder takes it up by itself."
    )
    parser.add_argument("run", type=Path, help="folder of a finished run, made by pipelines.train")
    parser.add_argument("--out", type=Path, required=True, help="folder of the versions, such as servables/detector")
    parser.add_argument("--version", type=int, default=None, help="number of the version (default: the next one)")
    return parser


def work(arguments: argparse.Namespace) -> int:
    settings.read_run(arguments.run)
    before = set(version_dirs(arguments.out))
    print(f"Exporting {arguments.run} to {arguments.out}.", flush=True)
    # TensorFlow takes its time to load: only now, with the run there.
    native_output.load_tensorflow()
    from rich.console import Console

    from deepfake_tf.export import export_servable

    with Console(stderr=True).status("loading the run") as status:
        folder = export_servable(arguments.run, arguments.out, version=arguments.version, on_progress=status.update)
    if int(folder.name) in before:
        print(f"Nothing to do: version {folder.name} was made from this very run.")
    else:
        print(f"Version {folder.name} gives the trained model's logits through a session, and is published.")
    print(f"The servable is in {folder}")
    return command.DONE


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
