"""Networks against PyTorch: python -m tests.benchmarks.networks [--networks coatnet0 ...] [--what train infer].

Each side is a process that holds one network and waits; in each round all in turn do the same number of steps on the
same shapes, so that whatever else the machine does hits all. The table gives frames per second of the best round, ours,
in training as Keras normalises too (see learning/fused_norms.py), and PyTorch's; the ratio; and, with a matrix product
to measure against, the share of the machine's peak that the network's multiplications are. On a GPU: --precision
bfloat16 --compile yes --batch-size 256 --steps 50. On one thread processor time is measured, which other programs do
not change. PyTorch may live in another Python: --torch-python.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Self

NETWORKS = ("coatnet0", "resnet50", "efficientnet_b4", "cnn_lstm")
# Forward, and twice that for the gradients of activations and of weights.
PASSES = {"train": 3, "infer": 1}


class Side:
    """One process with one network."""

    def __init__(
        self, python: str, framework: str, options: argparse.Namespace, network: str, what: str, norms: str = "fused"
    ) -> None:
        command = [python, "-m", "tests.benchmarks.network_worker", framework, network, what, "--norms", norms]
        for name in ("image_size", "batch_size", "threads", "precision", "compile"):
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, text=True, env=quiet, **pipes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, question: str) -> Any:
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)["answer"]
        raise SystemExit(f"the other process ended ({self._process.wait()}): is the framework installed there?")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--what", nargs="+", choices=tuple(PASSES), default=tuple(PASSES))
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=8, help="frames of a step")
    parser.add_argument("--steps", type=int, default=4, help="of a round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", choices=("yes", "no"), default="no", help="XLA, and torch.compile")
    parser.add_argument("--torch-python", default=sys.executable)
    options = parser.parse_args(argv)
    sides = f"{'ours':>10}{'Keras':>10}{'PyTorch':>10}"
    print(f"{'network':17}{'':7}{sides}{'ratio':>8}{'of peak':>9}   frames/s", flush=True)
    for network in options.networks:
        for what in options.what:
            print(compare(options, network, what), flush=True)
    return 0


def compare(options: argparse.Namespace, network: str, what: str) -> str:
    with contextlib.ExitStack() as stack:

        def start(python: str, framework: str, norms: str = "fused") -> Side:
            return stack.enter_context(Side(python, framework, options, network, what, norms))

        ours = start(sys.executable, "tensorflow")
        sides = [ours, start(options.torch_python, "torch")]
        if what == "train":
            sides.append(start(sys.executable, "tensorflow", "keras"))
        # Adam's state is made in the first step, and the second may still choose algorithms.
        for side in sides * 2:
            side.ask("1")
        seconds = [[side.ask(str(options.steps)) for side in sides] for _ in range(options.rounds)]
        macs = ours.ask("macs")
        peak = max(side.ask("peak") for side in sides)
    best = [min(times) / options.steps for times in zip(*seconds, strict=True)]
    own, torch, *keras = (options.batch_size / time for time in best)
    share = 2 * macs * PASSES[what] * own / peak
    plain = f"{keras[0]:10.1f}" if keras else f"{'':10}"
    return f"{network:17}{what:7}{own:10.1f}{plain}{torch:10.1f}{own / torch:8.2f}{share:9.1%}"


if __name__ == "__main__":
    sys.exit(main())
