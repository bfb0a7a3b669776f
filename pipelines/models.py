"""Lists the networks that can be trained: python -m pipelines.models."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepfake_tf import command

if TYPE_CHECKING:
    import keras
    from rich.console import Console
    from rich.table import Table

NUMBERS = ("parameters", "GMACs", "at", "features", "gives")


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
        return _print_summary(zoo.build_part(arguments.summary, **sizes))
    return _print_table(sizes)


def _print_summary(model: "keras.Model") -> int:
    from deepfake_tf import zoo

    table = _table("layer", "kind", "gives", "parameters")
    for line in zoo.list_layers(model):
        shape = "" if line.shape is None else " x ".join(map(str, line.shape))
        number = f"{line.num_parameters:,}" if line.num_parameters else ""
        table.add_row("  " * line.depth + line.name, line.kind, shape, number)
    _console().print(table)
    total, learning = zoo.count_parameters(model)
    print(f"{total:,} parameters, {learning:,} of them learn; {_giga(zoo.count_macs(model))} GMACs for one input")
    return command.DONE


def _giga(macs: int) -> str:
    # Heads are thousands of times less than backbones.
    return f"{macs / 1e9:.{3 if macs == 0 or macs >= 1e7 else 5}f}"


def _table(*headings: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        # Prose alone may go on in the next line, and no address is cut off.
        is_prose = heading in ("weights", "source")
        table.add_column(
            heading, justify="right" if heading in NUMBERS else "left", no_wrap=not is_prose, overflow="fold"
        )
    return table


def _console() -> "Console":
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 240)


def _print_table(sizes: dict[str, int]) -> int:
    from rich.console import Console
    from rich.progress import track

    from deepfake_tf import plugins, zoo
    from deepfake_tf.errors import ConfigError

    table = _table("kind", "name", "parameters", "GMACs", "at", "features", "weights", "source")
    missing: list[ConfigError] = []
    total = sum(len(plugins.names(kind)) for kind in zoo.KINDS)
    parts = zoo.list_parts(**sizes)
    for part in track(parts, "building every network once", total, console=Console(stderr=True), transient=True):
        if isinstance(part, ConfigError):
            missing.append(part)
            continue
        table.add_row(
            part.kind.removesuffix("s"),
            part.name,
            f"{part.num_parameters:,}",
            _giga(part.num_macs),
            f"{part.image_size} px" if part.image_size else f"{sizes['num_frames']} frames",
            str(part.width),
            ", ".join(part.weights),
            part.source,
        )
    _console().print(table)
    for error in missing:
        print(f"not listed: {error}")
    print("Backbones are counted for one frame, heads for one clip. Joined by +, backbones work side by side.")
    print("Train a pair with: python -m pipelines.train DATA --out RUN --backbone NAME --head NAME")
    return command.DONE


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
