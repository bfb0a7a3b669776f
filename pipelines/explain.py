"""Shows why a model says what it says: python -m pipelines.explain RUN VIDEO --out DIR."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, native_output

METHODS = ("grad_cam", "rollout", "occlusion")


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Of a video: writes it with the face's box, a heat map of what looks fake and the score over time drawn in, "
        "and a sheet of its clips. Of a folder of shards: a sheet of the videos that the model is most surely right "
        "about, most surely wrong about, and least sure of. Heat maps are Grad-CAM for convolutional backbones and "
        "attention roll-out for transformers; occlusion, slow, checks both, and so do weights drawn anew."
    )
    parser.add_argument("run", type=Path, help="folder of a finished training")
    parser.add_argument("source", type=Path, help="a video file, or a folder of shards made by pipelines.extract")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results, made if it is not there")
    parser.add_argument("--method", choices=METHODS, default="", help="what suits the backbone if not given")
    parser.add_argument("--max-sec", type=float, default=60.0, help="seconds of a video that are drawn")
    parser.add_argument("--split", default="test", help="whose videos to show of a folder of shards")
    parser.add_argument("--seed", type=int, default=0, help="of the weights drawn anew")
    return parser


def work(arguments: argparse.Namespace) -> int:
    print(f"Explaining what {arguments.run} says of {arguments.source}.", flush=True)
    native_output.load_tensorflow()
    from rich.console import Console
    from rich.progress import Progress

    from deepfake_tf.explaining import explain

    settings = explain.Explaining(arguments.method, arguments.max_sec, arguments.split, arguments.seed)
    run = explain.explain_split if arguments.source.is_dir() else explain.explain_video
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("reading", total=1.0)
        results = run(
            arguments.run,
            arguments.source,
            arguments.out,
            settings,
            on_progress=lambda stage, share: bar.update(task, description=stage, completed=share),
        )
    if results["outcome"] != "OK":
        sys.stderr.write(f"{arguments.source}: {results['outcome']}. {results['reason']}\n")
        return command.SOME_FAILED
    print_summary(results)
    print(f"The results are in {arguments.out}")
    return command.DONE


def print_summary(results: dict) -> None:
    print(f"Heat maps: {results['about']}")
    if "videos" in results:
        for one in results["videos"]:
            print(f"  {one['kind']:<15} {one['score']:.3f}  {one['video_id']}")
        return
    print(f"{results['answer']}: score {results['score']:.3f}, threshold {results['threshold']:.3g}")
    checks = results["checks"]
    print("  the map's rank correlation with")
    print(f"    occlusion's:       {_text(checks['agreement_with_occlusion'])}  (1: they show the same places)")
    print(f"    random weights':   {_text(checks['agreement_with_random_weights'])}  (1: it shows the picture alone)")


def _text(value: float | None) -> str:
    return "none, a map is flat" if value is None else f"{value:+.2f}"


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
