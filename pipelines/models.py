"""Lists the networks that can be trained: python -m pipelines.models."""

import argparse
import sys
from collections.abc import Sequence

from deepfake_tf import command


def build_parser() -> command.Parser:
    parser = command.Parser("Lists every backbone and head: its weights, the work that it is, and its source.")
    parser.add_argument("--image-size", type=int, help="count backbones at this height and width, not at their own")
    parser.add_argument("--num-frames", type=int, default=8, help="frames of the clips that heads are counted for")
    parser.add_argument("--width", type=int, default=512, help="features of a frame that heads are counted for")
    parser.add_argument("--summary", metavar="NAME", help="print the layers of one backbone or head")
    return parser


def work(arguments: argparse.Namespace) -> int:
    from deepfake_tf import zoo

    sizes = {name: getattr(arguments, name) for name in ("image_size", "num_frames", "width")}
    if arguments.summary:
        zoo.build_part(arguments.summary, **sizes).summary(line_length=100, expand_nested=True)
        return command.DONE
    return _print_table(sizes)


def _print_table(sizes: dict[str, int]) -> int:
    from rich.console import Console
    from rich.table import Table

    from deepfake_tf import zoo
    from deepfake_tf.errors import ConfigError

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("kind", "name", "parameters", "GMACs", "at", "features", "weights", "source"):
        table.add_column(heading, justify="right" if heading in ("parameters", "GMACs", "at", "features") else "left")
    missing: list[ConfigError] = []
    with Console(stderr=True).status("building every network once"):
        for part in zoo.list_parts(**sizes):
            if isinstance(part, ConfigError):
                missing.append(part)
                continue
            table.add_row(
                part.kind.removesuffix("s"),
                part.name,
                f"{part.num_parameters:,}",
                f"{part.num_macs / 1e9:.3f}",
                f"{part.image_size} px" if part.image_size else f"{sizes['num_frames']} frames",
                str(part.width),
                ", ".join(part.weights),
                part.source,
            )
    Console(width=None if sys.stdout.isatty() else 240).print(table)
    for error in missing:
        print(f"not listed: {error}")
    print("Backbones are counted for one frame, heads for one clip. Joined by +, backbones work side by side.")
    print("Train a pair with: python -m pipelines.train DATA --out RUN --backbone NAME --head NAME")
    return command.DONE


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
