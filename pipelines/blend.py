"""Makes blended fakes ahead of time: python -m pipelines.blend DATA|PHOTOGRAPHS --out BLENDED."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command
from deepfake_tf.schema import ClipSpec


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Makes a folder of shards of real clips and fakes blended from them. Training can also blend as it goes: "
        "see --blended-share of pipelines.train. A finished folder is kept."
    )
    parser.add_argument("source", type=Path, help="folder of shards, whose real clips are taken, or of photographs")
    parser.add_argument("--out", type=Path, required=True, metavar="DATA", help="the folder to make")
    parser.add_argument("--fakes-per-clip", type=int, default=1, help="of each real clip")
    parser.add_argument("--seed", type=int, default=0, help="of blending, movement and the split of photographs")
    parser.add_argument("--num-frames", type=int, default=ClipSpec().num_frames, help="crops of a photograph's clip")
    parser.add_argument("--crop-size-px", type=int, default=ClipSpec().crop_size_px, help="of a photograph's crops")
    parser.add_argument(
        "--group-regex", default="", help="names the person in a photograph's path, such as '([^/]+)_[0-9]+$'"
    )
    parser.add_argument(
        "--swapped", action="store_true", help="blend with a face of another group; needs a folder of shards"
    )
    parser.add_argument(
        "--autoencoders",
        type=Path,
        metavar="DIR",
        help="blend with the same face as an autoencoder draws it; if DIR is not there, autoencoders learn from the "
        "split train first and are kept in it; needs a folder of shards",
    )
    parser.add_argument("--autoencoder-epochs", type=int, default=10, help="how long autoencoders learn")
    return parser


def work(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from deepfake_tf.blended_data import BlendSettings, blend_data

    settings = BlendSettings(
        fakes_per_clip=arguments.fakes_per_clip,
        seed=arguments.seed,
        spec=ClipSpec(num_frames=arguments.num_frames, crop_size_px=arguments.crop_size_px),
        group_regex=arguments.group_regex,
        swapped=arguments.swapped,
        autoencoders=arguments.autoencoders,
        autoencoder_epochs=arguments.autoencoder_epochs,
    )
    print(f"Blending {settings.fakes_per_clip} fakes from each real clip of {arguments.source}.", flush=True)
    with Progress(console=Console(stderr=True)) as bar:
        # Seen only once there is something to show: an error is one line.
        task = bar.add_task("blending", total=None, visible=False)
        index = blend_data(
            arguments.source,
            arguments.out,
            settings,
            on_progress=lambda done, of: bar.update(task, completed=done, total=of, visible=True),
        )
    for split in index.shards:
        print(f"  {split}: {index.num_clips(split)} clips")
    if index.num_failed:
        print(f"  {index.num_failed} gave no clip; failures.csv says why")
    print(f"The shards are in {arguments.out}")
    return command.DONE


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
