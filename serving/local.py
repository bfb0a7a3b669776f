"""The embedded model server and the gateway as child processes of one program, on free ports.

with LocalServers("servables/detector", log_dir="logs") as servers:
    Client(servers.target).analyze("x.mp4")

Both are stopped when the block ends, however it ends.
"""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from deepfake_tf.errors import PredictorUnavailableError

START_SEC = 180.0
STOP_SEC = 20.0
_POLL_SEC = 0.1


class LocalServers:
    """Starts a model server and a gateway in front of it, and stops both.

    Attributes:
        target: host:port of the gateway, once they run.
        log_dir: holds model_server.log and gateway.log.
    """

    def __init__(
        self,
        base_path: Path | str,
        *,
        log_dir: Path | str,
        num_workers: int = 2,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        """Notes what to start; nothing runs yet.

        Args:
            base_path: the folder of the servable's version folders; its name is the model's name.
            log_dir: where the logs are written; made if it is not there.
            num_workers: processes of the gateway that turn videos into clips.
            on_progress: is told what is being started.
        """
        self.target = ""
        self.log_dir = Path(log_dir)
        self._base_path = Path(base_path).absolute()
        self._num_workers = num_workers
        self._tell = on_progress or (lambda what: None)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Starts both.

        Raises:
            PredictorUnavailableError: one did not start; the message has the end of its log.
        """
        self.log_dir.mkdir(parents=True, exist_ok=True)
        name = self._base_path.name
        try:
            self._tell("model server")
            model_server = self._start(
                "model_server", r"^serving .* on (\S+:\d+)$", "--model-base-path", self._base_path, "--model-name", name
            )
            self._tell("gateway")
            gateway_flags = ("--predictor", model_server, "--model-name", name, "--workers", self._num_workers)
            self.target = self._start("server", r"^gateway on ([^,\s]+)", *gateway_flags)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # The last one started is stopped first: the gateway, which needs the other.
        self._open.close()

    def _start(self, module: str, ready: str, *flags: object) -> str:
        """Starts `python -m serving.<module>` on a free port; returns the address that it says it listens on."""
        log_path = self.log_dir / f"{'gateway' if module == 'server' else module}.log"
        log = self._open.enter_context(log_path.open("wb"))
        words = [sys.executable, "-m", f"serving.{module}", *map(str, flags), "--host", "127.0.0.1", "--port", "0"]
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, cwd=Path(__file__).parent.parent)
        self._open.callback(_stop, process)
        end = time.monotonic() + START_SEC
        while time.monotonic() < end:
            has_ended = process.poll() is not None
            if found := re.search(ready, log_path.read_text(errors="replace"), re.MULTILINE):
                return found[1]
            if has_ended:
                break
            time.sleep(_POLL_SEC)
        lines = log_path.read_text(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"it said nothing within {START_SEC:g} s"
        raise PredictorUnavailableError(f"serving.{module} did not start: {reason} (log: {log_path})")


def _stop(process: subprocess.Popen) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SEC)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    except BaseException:
        # A second Ctrl-C: nobody waits any longer, and nothing stays behind.
        process.kill()
        raise
