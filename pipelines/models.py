"""Lists the networks that can be trained: python -m pipelines.models."""

import argparse
import sys
from collections.abc import Sequence

from deepfake_tf import command


def build_parser() -> command.Parser:
    parser = command.Parser("Lists every backbone and head with its number of parameters and its source.")
    parser.add_argument("--image-size", type=int, default=128, help="height and width of the crops in pixels")
    parser.add_argument("--num-frames", type=int, default=8, help="frames of a clip")
    parser.add_argument("--width", type=int, default=512, help="features that heads are given")
    return parser


def work(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from deepfake_tf.model import list_parts

    table = Table("kind", "name", "parameters", "features out", "source", box=None, header_style="bold")
    console = Console()
    with console.status("building each once"):
        parts = list_parts(image_size=arguments.image_size, num_frames=arguments.num_frames, width=arguments.width)
        for part in parts:
            kind = part.kind.removesuffix("s")
            counts = ("-", "-") if part.width is None else (f"{part.num_parameters:,}", str(part.width))
            table.add_row(kind, part.name, *counts, escape(part.source))
    console.print(table)
    print("Train a pair with: python -m pipelines.train DATA --out RUN --backbone NAME --head NAME")
    return command.DONE


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
