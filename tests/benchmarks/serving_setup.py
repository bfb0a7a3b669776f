"""A model server and a gateway as processes, for the benchmarks: to be killed, started again and looked at."""

import contextlib
import os
import re
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from deepfake_tf.schema import ClipSpec, ServableSpec
from tests.serving.processes import Process, free_port

CLIP_SPEC = ClipSpec(num_frames=8, clips_per_video=4, crop_size_px=128, placement="spread")


def servable(base_path: Path, *, spec: ClipSpec = CLIP_SPEC) -> None:
    """Exports an untrained small network for clips of the usual size."""
    from deepfake_tf.export import export_model
    from deepfake_tf.learning.settings import ModelSettings
    from deepfake_tf.model import build_model

    settings = ModelSettings(
        backbone="small_cnn", head="lstm", num_frames=spec.num_frames, image_size=spec.crop_size_px
    )
    export_model(build_model(settings), ServableSpec(clip_spec=spec), base_path)


class Servers:
    """The two servers, on ports that stay when they are started again."""

    def __init__(self, base_path: Path, *gateway_flags: object, model_flags: Sequence[object] = ()) -> None:
        self._base_path, self._gateway_flags, self._model_flags = base_path, gateway_flags, model_flags
        self.ports = {name: free_port() for name in ("model_server", "gateway", "metrics")}
        self.target = f"127.0.0.1:{self.ports['gateway']}"
        self.model_target = f"127.0.0.1:{self.ports['model_server']}"
        self.model_server, self.gateway = self.start_model_server(), self.start_gateway()

    def start_model_server(self) -> Process:
        """Starts it, again or for the first time; returns when it can be asked."""
        flags = ("--model-base-path", self._base_path, "--port", self.ports["model_server"])
        self.model_server = _start("serving.model_server", r"^serving \S+ version", *flags, *self._model_flags)
        return self.model_server

    def start_gateway(self) -> Process:
        """Likewise."""
        flags = ("--predictor", self.model_target, "--port", self.ports["gateway"], *self._gateway_flags)
        self.gateway = _start("serving.server", r"^gateway on", *flags, "--metrics-port", self.ports["metrics"])
        return self.gateway

    def processes_mib(self) -> dict[str, float]:
        """What the gateway and each of its workers hold, a shared page in equal parts."""
        workers = {f"worker {pid}": pid for pid in sorted(children(self.gateway.pid))}
        return {name: own_mib(pid) for name, pid in {"gateway": self.gateway.pid, **workers}.items()}

    def memory_mib(self) -> float:
        """What they hold together."""
        return sum(self.processes_mib().values())

    def num_files(self) -> int:
        """Open descriptors of the gateway."""
        return len(os.listdir(f"/proc/{self.gateway.pid}/fd"))

    def uploads(self) -> int:
        """Files without a name that the gateway holds."""
        found = []
        for one in Path(f"/proc/{self.gateway.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(one))
        return sum(one.endswith("(deleted)") for one in found)

    def count(self, pattern: str) -> float:
        """Returns the sum of the gateway's counts whose line matches."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['metrics']}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(pattern, line))

    def kill_worker(self) -> bool:
        """Sends a SIGKILL to one of the gateway's workers; returns whether there was one."""
        for pid in children(self.gateway.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def stop(self) -> None:
        """Stops both."""
        self.gateway.stop()
        self.model_server.kill()


@contextlib.contextmanager
def served(*gateway_flags: object, spec: ClipSpec = CLIP_SPEC) -> Iterator[Servers]:
    """Starts both with a servable of their own; they end with this process, also by SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(f"ended by signal {number}"))
    with tempfile.TemporaryDirectory() as folder:
        base_path = Path(folder) / "detector"
        print("exporting a servable ...", flush=True)
        servable(base_path, spec=spec)
        servers = Servers(base_path, *gateway_flags)
        try:
            yield servers
        finally:
            servers.stop()


def own_mib(pid: int) -> float:
    """Returns the memory that a process and those it shares it with have made, its part of it; 0 if it is gone.

    Pages of files are left out: they are shared with every process that has the same libraries, so that a part of them
    says how many others there are.
    """
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return sum(int(kib) for kib in re.findall(r"^Pss_(?:Anon|Shmem):\s+(\d+) kB", text, re.MULTILINE)) / 1024
    return 0.0


def children(pid: int) -> list[int]:
    """Returns the processes that a process has started, and that are not gone."""
    with contextlib.suppress(OSError):
        return [int(one) for path in Path(f"/proc/{pid}/task").glob("*/children") for one in path.read_text().split()]
    return []


def _start(module: str, ready: str, *flags: object) -> Process:
    process = Process(sys.executable, "-m", module, *map(str, flags), environment={"PYTHONUNBUFFERED": "1"})
    process.wait_for(ready)
    return process
