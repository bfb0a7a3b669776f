"""Processes that begin with TensorFlow loaded, for tests of what several do, or of what a killed one leaves behind.

A server beside the test process loads it once and forks; by itself each process would take five seconds to load it.
"""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

_LOADED_AHEAD = ["deepfake_tf.learning.training", "deepfake_tf.searching.tuning"]


def start(work: Callable[..., Any], *args: Any, **environment: str) -> ForkServerProcess:
    """Starts a process that calls a function of a module; what goes wrong is on stderr, and its exitcode is 1."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED_AHEAD)
    process = context.Process(target=_run, args=(work, args, os.environ | environment), daemon=True)
    process.start()
    return process


def _run(work: Callable[..., Any], args: tuple[Any, ...], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    work(*args)
