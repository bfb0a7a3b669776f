"""Files that appear whole or not at all, whenever the process is stopped."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from deepfake_tf.errors import ConfigError

PARTIAL_SUFFIX = ".partial"


@contextlib.contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """Opens a file for writing that takes its name only once it is complete.

    Args:
        path: the file to make or to replace; its folder is there.

    Yields:
        A binary file. If the block raises, nothing stays.
    """
    # A name of its own: two that make the same file, even on two machines, do not write into each other's.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(6)}{PARTIAL_SUFFIX}")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that appears whole or not at all."""
    with open_whole(path) as file:
        file.write(data)


def claim(path: Path, content: Mapping[str, Any], refusal: str) -> None:
    """Writes down what a folder is made from, or holds against it what was written down earlier.

    Args:
        path: the JSON file in the folder that says so; the folder is there.
        content: plain JSON values.
        refusal: what to say if the file says something else.

    Raises:
        ConfigError: it does.
    """
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    if not path.is_file():
        write_whole(path, text.encode())
    elif path.read_text("utf-8") != text:
        raise ConfigError(refusal)


def remove_partial(folder: Path) -> None:
    """Removes what stopped processes left half written in a folder."""
    for path in folder.glob(f".*{PARTIAL_SUFFIX}"):
        path.unlink(missing_ok=True)
