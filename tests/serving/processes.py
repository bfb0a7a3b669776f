"""Servers as processes, for the tests."""

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
REAL_SERVER = "DEEPFAKE_TF_MODEL_SERVER"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A server process that says on stdout where it listens."""

    def __init__(self, *command, environment=None):
        self.log = []
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for(self, pattern, timeout_sec=120):
        """Reads the output up to the line that matches; returns the match."""
        deadline = time.monotonic() + timeout_sec
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if not selector.select(1.0):
                    continue
                line = self._process.stdout.readline()
                self.log.append(line)
                if match := re.search(pattern, line):
                    return match
                if not line and self._process.poll() is not None:
                    break
        raise AssertionError(f"no line matches {pattern!r} in:\n{''.join(self.log)}")

    @property
    def pid(self):
        return self._process.pid

    def kill(self):
        self._process.kill()
        self._process.communicate()

    def stop(self, timeout_sec=30):
        """Sends SIGTERM; returns the exit code and everything it wrote."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            rest, _ = self._process.communicate(timeout=timeout_sec)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.log.append(rest or "")
        return self._process.returncode, "".join(self.log)


def embedded_model_server(base_path, *flags):
    """Starts the embedded server; returns the process and its address."""
    command = [sys.executable, "-m", "serving.model_server", "--model-base-path", str(base_path), "--port", "0"]
    process = Process(*command, "--poll-sec", "0.2", *flags)
    try:
        port = process.wait_for(r"^serving \S+ version \d+ on 127.0.0.1:(\d+)")[1]
    except AssertionError:
        process.kill()
        raise
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
