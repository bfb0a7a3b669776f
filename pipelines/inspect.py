"""Shows clips before and after augmentation: python -m pipelines.inspect DATA --recipe robust --out sheet.html."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, plugins


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Writes a contact sheet to look at: real and fake clips beside their augmented forms, and fakes self-blended "
        "from the real ones. Of a video: the faces found, marked on its frames, and the crops of each track. The page "
        "holds its pictures."
    )
    parser.add_argument(
        "source",
        type=Path,
        help="folder of shards made by pipelines.extract, one shard, a video, or a folder of photographs",
    )
    parser.add_argument("--out", type=Path, default=Path("sheet.html"), help="the page to write")
    parser.add_argument("--recipe", choices=plugins.names("recipes"), default="basic", help="augmentation to show")
    parser.add_argument("--num-clips", type=int, default=8, help="clips of each kind")
    parser.add_argument("--split", default="train", help="whose clips to show of a folder of shards")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of clips, augmentation and self-blending")
    return parser


def work(arguments: argparse.Namespace) -> int:
    from deepfake_tf import contact_sheet, recipes

    look = contact_sheet.Look(
        recipe=arguments.recipe, num_clips=arguments.num_clips, seed=arguments.seed, split=arguments.split
    )
    if contact_sheet.is_video(arguments.source):
        print(f"Looking for faces in {arguments.source}.", flush=True)
    else:
        print(f"Drawing clips of {arguments.source} with the recipe {look.recipe}:", flush=True)
        print(recipes.to_text(recipes.load_ops(look.recipe)) or "no augmentation", flush=True)
    sections = contact_sheet.draw(arguments.source, arguments.out, look)
    print("\n".join(section.heading for section in sections))
    print(f"The sheet is {arguments.out}")
    return command.DONE


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
