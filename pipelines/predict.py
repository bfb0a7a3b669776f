"""Judges videos without servers: python -m pipelines.predict servables/detector VIDEO|FOLDER."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command
from deepfake_tf.errors import ConfigError
from deepfake_tf.layouts.folder import VIDEO_SUFFIXES


def build_parser() -> command.Parser:
    parser = command.Parser("Judges videos, or the video files of a folder, and prints the verdicts.")
    parser.add_argument("servable", help="folder of a servable, or host:port of a model server")
    parser.add_argument("videos", type=Path, nargs="+", metavar="VIDEO", help="a video file, or a folder of them")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each video")
    parser.add_argument("--workers", type=int, default=2, help="processes that turn videos into clips")
    return parser


def work(arguments: argparse.Namespace) -> int:
    paths = find_files(arguments.videos)
    from rich.console import Console
    from rich.progress import track

    from deepfake_tf import verdict
    from deepfake_tf.detector import Detector
    from deepfake_tf.workers import WorkerPool

    err = Console(stderr=True)
    answers: Counter[str] = Counter()
    with WorkerPool(arguments.workers) as pool:
        with err.status(f"loading {arguments.servable}"):
            detector = Detector.load(arguments.servable, pool=pool)
        verdicts = detector.judge_all(paths, num_threads=arguments.workers)
        shown = track(verdicts, "judging", total=len(paths), console=err, transient=True, disable=not err.is_terminal)
        for path, made in zip(paths, shown, strict=True):
            answers[made.verdict] += 1
            if arguments.json:
                print(json.dumps({"name": str(path), "verdict": made.to_json()}), flush=True)
            else:
                print("\n".join([f"{path}: {verdict.describe(made)[0]}", *verdict.describe(made)[1:]]), flush=True)
        detector.close()
    counts = ", ".join(f"{count} {answer}" for answer, count in answers.most_common())
    sys.stderr.write(f"{len(paths)} videos: {counts}\n" if len(paths) > 1 else "")
    return command.DONE


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Returns the files themselves, and the video files in folders at any depth."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ConfigError(f"There is no such file or folder. Received: {path}")
        inside = [one for one in sorted(path.rglob("*")) if one.is_file() and one.suffix.lower() in VIDEO_SUFFIXES]
        if path.is_dir() and not inside:
            raise ConfigError(f"There are no video files in {path}. Known: {', '.join(sorted(VIDEO_SUFFIXES))}.")
        found += inside if path.is_dir() else [path]
    return found


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
