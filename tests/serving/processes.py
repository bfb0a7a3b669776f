"""Servers as processes, for the tests."""

import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
REAL_SERVER = "DEEPFAKE_TF_MODEL_SERVER"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A server process that says on stdout where it listens; in a `with` it is killed at the end, if it is not over."""

    def __init__(self, *command, environment=None):
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log = []
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _read(self):
        with self._process.stdout as stdout:
            for line in stdout:
                self.log.append(line)
                self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, pattern, timeout_sec=120):
        """Reads the output up to the line that matches; returns the match. A process that says none is killed."""
        deadline = time.monotonic() + timeout_sec
        try:
            while (line := self._lines.get(timeout=max(0.0, deadline - time.monotonic()))) is not None:
                if match := re.search(pattern, line):
                    return match
        except queue.Empty:
            pass
        self.kill()
        raise AssertionError(f"no line matches {pattern!r} in:\n{''.join(self.log)}")

    @property
    def pid(self):
        return self._process.pid

    def send_signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def stop(self, timeout_sec=60):
        """Sends SIGTERM; returns the exit code and everything it wrote."""
        self._process.terminate()
        try:
            code = self._process.wait(timeout_sec)
        finally:
            self.kill()
        return code, "".join(self.log)


def embedded_model_server(base_path, *flags):
    """Starts the embedded server; returns the process and its address."""
    command = [sys.executable, "-m", "serving.model_server", "--model-base-path", str(base_path), "--port", "0"]
    process = Process(*command, "--poll-sec", "0.2", *flags)
    port = process.wait_for(r"^serving \S+ version \d+ on 127.0.0.1:(\d+)")[1]
    return process, f"127.0.0.1:{port}"


def real_model_server(base_path, *flags):
    """Starts the tensorflow_model_server that the environment names."""
    port = free_port()
    process = Process(
        os.environ[REAL_SERVER],
        f"--port={port}",
        "--model_name=detector",
        f"--model_base_path={Path(base_path).resolve()}",
        "--file_system_poll_wait_seconds=1",
        *flags,
    )
    process.wait_for(r"Running gRPC ModelServer")
    return process, f"127.0.0.1:{port}"
