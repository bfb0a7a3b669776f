"""Turns the videos of a manifest into shards of clips: python -m pipelines.extract manifest.csv --out DATA."""

import argparse
import dataclasses
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepfake_tf import command, plugins
from deepfake_tf.data_folder import FAILURES_NAME, ShardSettings
from deepfake_tf.manifest import read_manifest
from deepfake_tf.runners import Extracted, RunSettings, Standing, extract_manifest
from deepfake_tf.schema import ClipSpec, Limits

CHOICES = {
    "placement": ("even", "spread", "all"),
    "alignment": ("none", "eyes"),
    "jpeg_subsampling": ("4:4:4", "4:2:0"),
}
HELP = {
    "num_frames": "crops per clip",
    "frame_stride": "step between the frames of a clip",
    "clips_per_video": "clips of a video, for placements even and spread",
    "placement": "where clips lie in a video: consecutive frames evenly placed, frames spread over it, or all of it",
    "clip_stride": "step between clip starts, for placement all",
    "crop_size_px": "height and width of a crop",
    "margin": "added to the face's box on each side, as a share of its longer side",
    "alignment": "eyes: crops are turned so that the eyes lie level",
    "jpeg_quality": "of the stored crops, 1 to 100",
    "jpeg_subsampling": "of the stored crops",
    "detector": "name of the face detector",
    "detector_size_px": "longer side of the frame that the detector sees",
    "min_confidence": "least confidence of a face, 0 to 1",
    "detect_every": "look for faces in every n-th frame, and in between where they cannot be followed",
    "max_tracks": "faces of a video that are kept, at most",
    "max_bytes": "size of a file, at most",
    "max_duration_sec": "length of a video, at most",
    "max_pixels": "width times height of a frame, at most",
    "max_faces": "faces that are followed through a video, at most",
    "time_limit_sec": "time that one video may take",
    "memory_limit_bytes": "memory that one video may take",
}


def build_parser() -> command.Parser:
    parser = command.Parser("Turns the videos of a manifest into shards of clips. A run that was stopped goes on.")
    parser.add_argument("manifest", type=Path, help="made by pipelines.manifest")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DATA", help="folder of shards, made if it is not there"
    )
    parser.add_argument(
        "--runner", choices=plugins.names("runners"), default="processes", help="where the work is done"
    )
    parser.add_argument("--num-workers", type=int, help="videos worked on at a time (default: one per processor)")
    parser.add_argument(
        "--ray-address", metavar="HOST:PORT", help="cluster for the runner ray (default: the one on this machine)"
    )
    parser.add_argument("--videos-per-shard", type=int, default=16, help="a shard is whole or not there at all")
    parser.add_argument(
        "--faces-from-originals",
        action="store_true",
        help="cut a fake where the faces of its own real video are, if that is in the manifest with the same frames",
    )
    parser.add_argument("--max-failed-share", type=float, default=0.5, help="of videos that may give no clips")
    parser.add_argument(
        "--accept-official-leak",
        action="store_true",
        help="accept a data set's own splits though they share identities",
    )
    add_flags(parser.add_argument_group("clips"), ClipSpec())
    add_flags(parser.add_argument_group("limits on one video"), Limits())
    return parser


def add_flags(group: Any, defaults: Any) -> None:
    for one in dataclasses.fields(defaults):
        value = getattr(defaults, one.name)
        group.add_argument(
            f"--{one.name.replace('_', '-')}",
            type=type(value),
            default=value,
            choices=CHOICES.get(one.name),
            help=HELP[one.name],
        )


def pick(kind: Any, arguments: argparse.Namespace) -> Any:
    return kind(**{one.name: getattr(arguments, one.name) for one in dataclasses.fields(kind)})


def work(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    settings = ShardSettings(
        pick(ClipSpec, arguments), arguments.videos_per_shard, faces_from_originals=arguments.faces_from_originals
    )
    run = RunSettings(
        runner=arguments.runner,
        num_workers=arguments.num_workers,
        limits=pick(Limits, arguments),
        max_failed_share=arguments.max_failed_share,
        accept_official_leak=arguments.accept_official_leak,
        address=arguments.ray_address,
    )
    entries = read_manifest(arguments.manifest)
    print(f"Extracting {len(entries)} videos into {arguments.out}.", flush=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[news]}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=None, news="")

        def show(at: Standing) -> None:
            # Of what is left: shards that an earlier run has finished would flatter the rate and the time left.
            rate = at.num_done / (bar.tasks[task].elapsed or 1)
            news = f"{rate:.2f} videos/s  {at.num_clips} clips  {at.num_failed} without"
            found = f" ({at.num_found} were there)" if at.num_found else ""
            bar.update(
                task,
                description=f"extracting{found}",
                completed=at.num_done,
                total=at.num_videos - at.num_found,
                news=news,
            )

        extracted = extract_manifest(entries, arguments.out, settings, run=run, on_progress=show)
    summarise(extracted, arguments.out)
    return command.DONE


def summarise(extracted: Extracted, out: Path) -> None:
    if extracted.was_finished:
        print("It was finished already.")
    for split, shards in extracted.index.shards.items():
        num_videos = sum(shard.num_videos for shard in shards)
        print(f"  {split}: {extracted.index.num_clips(split)} clips of {num_videos} videos in {len(shards)} shards")
    if extracted.failures:
        outcomes = Counter(failure.outcome for failure in extracted.failures)
        words = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
        print(f"{len(extracted.failures)} videos gave no clips ({words}): {out / FAILURES_NAME} says why")
    print(f"The shards are in {out}")


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
