"""Goes back to another version of a servable: python -m pipelines.activate servables/detector 3."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deepfake_tf import command, versions
from deepfake_tf.errors import PredictorUnavailableError

POLL_SEC = 0.5


def build_parser() -> command.Parser:
    parser = command.Parser(
        "Makes a version the newest that a model server sees: newer ones are renamed to .retired-N, and come back "
        "when they are activated."
    )
    parser.add_argument("base_path", type=Path, metavar="BASE", help="folder of the versions")
    parser.add_argument("version", type=int, metavar="VERSION", help="number of the version to be served")
    parser.add_argument("--target", default=None, help="host:port of a model server: wait until it serves the version")
    parser.add_argument("--model-name", default=None, help="its name there (default: the name of BASE)")
    parser.add_argument("--timeout-sec", type=float, default=60.0, help="how long to wait")
    return parser


def work(arguments: argparse.Namespace) -> int:
    retired = versions.activate(arguments.base_path, arguments.version)
    gone = f" Retired: {', '.join(str(one) for one in retired)}." if retired else ""
    print(f"Version {arguments.version} of {arguments.base_path} is the newest now.{gone}")
    if arguments.target:
        name = arguments.model_name or arguments.base_path.resolve().name
        wait_until_served(arguments.target, name, arguments.version, timeout_sec=arguments.timeout_sec)
        print(f"{arguments.target} serves version {arguments.version} of {name}, and none that is newer.")
    return command.DONE


def wait_until_served(target: str, model_name: str, version: int, *, timeout_sec: float) -> None:
    from deepfake_tf.predictors.tf_serving import open_predictor

    predictor = open_predictor(target, model_name=model_name)
    end = time.monotonic() + timeout_sec
    # A server may be told to keep older ones as well; the newest is what is asked.
    while max(served := predictor.available_versions(deadline_sec=timeout_sec), default=0) != version:
        if time.monotonic() > end:
            raise PredictorUnavailableError(
                f"The newest version of {model_name} at {target} is not {version} after {timeout_sec:g} s. It serves: "
                f"{', '.join(str(one) for one in served) or 'none'}. Does it watch this folder, and does its log say "
                "that the version cannot be loaded?"
            )
        time.sleep(POLL_SEC)
    predictor.close()


def main(argv: Sequence[str] | None = None) -> int:
    return command.run(build_parser(), work, argv)


if __name__ == "__main__":
    sys.exit(main())
