"""From videos and photographs to a detector for other videos: python -m pipelines.generalise MANIFEST --out ..."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepfake_tf import command
from deepfake_tf.errors import ConfigError
from deepfake_tf.generalising.ingredients import INGREDIENTS, Recipe, with_backbone

LOG_NAME = "libraries.log"


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Goes from videos and photographs to a published servable: cuts clips, tries ingredients, measures the chosen "
        "recipe out of fold, trains on all of it, calibrates and publishes. One that was stopped goes on. "
        "What each ingredient did to real videos: deepfake_tf/generalising/LOG.md."
    )
    parser.add_argument("manifest", type=Path, help="made by pipelines.manifest, with matched pairs of real and fake")
    parser.add_argument("--photographs", type=Path, required=True, metavar="DIR", help="pictures of real faces")
    parser.add_argument(
        "--group-regex",
        help="names the person in a photograph's path (default: all before a number at the end, such as ann in ann_12)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="SERVABLE", help="such as servables/detector")
    parser.add_argument("--work", type=Path, help="folder of all that is made on the way (default: SERVABLE.work)")
    parser.add_argument("--hours", type=float, default=8.0, help="for all of it")
    parser.add_argument(
        "--try",
        nargs="*",
        default=(),
        dest="ingredients",
        metavar="INGREDIENT",
        help=f"ingredients to try one by one; one that is decidedly better is taken: {', '.join(INGREDIENTS)}",
    )
    parser.add_argument("--folds", type=int, default=2, help="of the measurement out of fold")
    parser.add_argument("--backbone", default="", metavar="NAME", help="another network than the recipe's")
    parser.add_argument(
        "--weights", default="none", metavar="NAME|FILE", help="that --backbone starts from, see pipelines.models"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything")
    return parser


def work(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from deepfake_tf.stages import Stages, log_of_libraries

    if arguments.weights != "none" and not arguments.backbone:
        raise ConfigError("--weights are those of a --backbone. Name it as well, such as --backbone efficientnet_b0.")
    folder = arguments.work or arguments.out.with_name(f"{arguments.out.name}.work")
    with log_of_libraries(folder / LOG_NAME) as screen:
        console = Console(file=screen, highlight=False)
        results = run(arguments, folder, Stages(console))
    print_summary(results, folder)
    return command.DONE


def run(arguments: argparse.Namespace, folder: Path, screen: Any) -> dict[str, Any]:
    from deepfake_tf.generalising.generalise import Wanted, generalise
    from deepfake_tf.generalising.material import GROUP_REGEX, read_entries

    recipe = Recipe()
    if arguments.backbone:
        recipe = with_backbone(recipe, arguments.backbone, arguments.weights)
    wanted = Wanted(
        hours=arguments.hours,
        recipe=recipe,
        ingredients=tuple(arguments.ingredients),
        num_folds=arguments.folds,
        seed=arguments.seed,
        group_regex=GROUP_REGEX if arguments.group_regex is None else arguments.group_regex,
    )
    entries = read_entries(arguments.manifest)
    return generalise(entries, arguments.photographs, folder, arguments.out, wanted, screen)


def print_summary(results: Mapping[str, Any], folder: Path) -> None:
    from deepfake_tf.generalising.tables import summary

    print("\n".join(summary(results)))
    print(f"All figures are in {folder / 'results.json'}")
    print(f"Judge a video: python -m pipelines.predict {Path(results['servable']).parent} VIDEO")


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
