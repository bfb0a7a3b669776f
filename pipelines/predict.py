"""Judges videos without servers: python -m pipelines.predict servables/detector VIDEO|FOLDER."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_tf import command
from deepfake_tf.errors import ConfigError, PredictorError
from deepfake_tf.layouts.folder import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from deepfake_tf.judging.verdict import Verdict


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Judges videos, or the video files of a folder, and prints the verdicts: of one video with each face and clip, "
        "of several a line each. With --csv what was stopped goes on with the videos that are missing in the file."
    )
    parser.add_argument("servable", help="folder of a servable, .tflite file, https address, or host:port")
    parser.add_argument("videos", type=Path, nargs="*", metavar="VIDEO", help="a video file, or a folder of them")
    parser.add_argument("--litert", metavar="FILE", help="a .tflite file of pipelines.litert in place of the servable")
    parser.add_argument(
        "--sha256", metavar="HEX", help="of the archive at an https address, which pipelines.publish made"
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each video")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a table; videos that are in it are left out")
    parser.add_argument("--details", action="store_true", help="print each face and clip, of several videos too")
    parser.add_argument("--workers", type=int, default=2, help="processes that turn videos into clips")
    return parser


def work(arguments: argparse.Namespace) -> int:
    servable, paths = _sort_out(arguments)
    from rich.console import Console
    from rich.progress import track

    from deepfake_tf.detector import Detector
    from deepfake_tf.judging.verdict_table import VerdictTable
    from deepfake_tf.workers import WorkerPool

    err = Console(stderr=True)
    shows_lines = len(paths) > 1 and not (arguments.json or arguments.details)
    num_judged = 0
    with WorkerPool(arguments.workers) as pool:
        with err.status(f"loading {servable}"):
            detector = Detector.load(servable, sha256=arguments.sha256, pool=pool)
        table = VerdictTable(arguments.csv, detector.predictor.spec().fingerprint()) if arguments.csv else None
        done = table.answers if table else {}
        answers = Counter(done[str(path)] for path in paths if str(path) in done)
        left = [path for path in paths if str(path) not in done]
        if len(left) < len(paths):
            sys.stderr.write(f"{len(paths) - len(left)} of {len(paths)} videos are in {arguments.csv} already\n")
        if left and shows_lines:
            print(f"{'verdict':<13} {'score':>6} {'frames with a face':>19}  video", flush=True)
        verdicts = detector.judge_all(left, num_threads=arguments.workers)
        shown = track(verdicts, "judging", total=len(left), console=err, transient=True, disable=not err.is_terminal)
        try:
            for path, made in zip(left, shown, strict=True):
                answers[made.verdict] += 1
                num_judged += 1
                if table:
                    table.add(path, made)
                print(line_of(path, made) if shows_lines else text_of(path, made, arguments.json), flush=True)
        except PredictorError as error:
            message = " ".join(str(error).split())
            sys.stderr.write(f"error: after {num_judged} of {len(left)} videos: {message}\n")
            return command.SOME_FAILED
        finally:
            detector.close()
    counts = ", ".join(f"{count} {answer}" for answer, count in answers.most_common())
    sys.stderr.write(f"{len(paths)} videos: {counts}\n" if len(paths) > 1 else "")
    sys.stderr.write(f"The table is {arguments.csv}\n" if arguments.csv else "")
    return command.DONE


def _sort_out(arguments: argparse.Namespace) -> tuple[str, list[Path]]:
    """Returns the servable and the videos: with --litert what stands first is a video, as all that follow."""
    if arguments.litert:
        return arguments.litert, find_files([Path(arguments.servable), *arguments.videos])
    if not arguments.videos:
        raise ConfigError("Which videos? Name one or more, or folders of them, after the servable.")
    return arguments.servable, find_files(arguments.videos)


def text_of(path: Path, made: "Verdict", as_json: bool) -> str:
    from deepfake_tf.judging import verdict

    if as_json:
        return json.dumps({"name": str(path), "verdict": made.to_json()})
    first, *more = verdict.describe(made)
    return "\n".join([f"{path}: {first}", *more])


def line_of(path: Path, made: "Verdict") -> str:
    if made.score is None:
        return f"{made.verdict:<13} {'-':>6} {'-':>19}  {path}: {made.reason}"
    return f"{made.verdict:<13} {made.score:>6.3f} {made.coverage:>19.0%}  {path}"


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
