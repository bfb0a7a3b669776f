"""What every command has in common: flags, progress, one line for an error, exit codes.

Exit codes: 0 every video has a verdict (whatever it says), 1 some could not be judged, 2 wrong use or wrong input.
"""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from deepfake_tf.errors import ConfigError, DeepfakeError

DONE = 0
SOME_FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows a default where there is one to show."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """An argument parser whose help shows defaults and whose errors are one line."""

    def __init__(self, description: str, *, prog: str | None = None) -> None:
        super().__init__(prog=prog or _program(), description=description, formatter_class=_Help)

    def error(self, message: str) -> NoReturn:
        """Ends the process with one line and exit code 2."""
        self.exit(WRONG_USE, f"error: {message} (see {self.prog} --help)\n")


def _program() -> str | None:
    """What was typed to start this process, None if argparse knows as well."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None or not spec.name.startswith(("pipelines.", "serving.")):
        return None
    return f"python -m {spec.name}"


def run(parser: Parser, work: Callable[[argparse.Namespace], int], argv: Sequence[str] | None = None) -> int:
    """Parses the arguments and works; an error becomes one line on stderr.

    Args:
        parser: knows the command's flags.
        work: takes the parsed arguments, returns an exit code.
        argv: the arguments, those of the process if None.

    Returns:
        The exit code.
    """
    arguments = parser.parse_args(argv)
    # TensorFlow's own log lines would bury the command's; a user who wants them sets the variable.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GLOG_minloglevel", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        return work(arguments)
    except (DeepfakeError, OSError) as error:
        message = " ".join(str(error).split())
        sys.stderr.write(f"error: {message}\n")
        return WRONG_USE
    except KeyboardInterrupt:
        sys.stderr.write("stopped: what was finished is kept; the same command goes on from there\n")
        return INTERRUPTED


def require_free_port(host: str, port: int) -> None:
    """Says at once that a server could not listen, before it takes its time to get ready.

    Args:
        host: address to listen on.
        port: 0 is always free.

    Raises:
        ConfigError: another process listens there, or it may not be listened on.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as one:
            # As servers do: without it the rest of a closed connection would count as in use.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"Cannot listen on {host}:{port}: {reason}. Choose another with --port.") from error
