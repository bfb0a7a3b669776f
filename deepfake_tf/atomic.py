"""Files that appear whole or not at all, whenever the process is stopped."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

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


def remove_partial(folder: Path) -> None:
    """Removes what stopped processes left half written in a folder."""
    for path in folder.glob(f".*{PARTIAL_SUFFIX}"):
        path.unlink(missing_ok=True)
