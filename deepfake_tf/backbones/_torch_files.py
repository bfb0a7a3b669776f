"""PyTorch's state_dict files, read without PyTorch and without running what they hold.

A file of PyTorch 1.6 and later is a zip archive: a pickle that describes tensors, and one file of raw numbers for each
storage. An older one is pickles one after the other (a magic number, a version, the machine, the tensors, the storages'
names), and behind them the storages. Pickles are read by an unpickler that knows tensors and plain containers and
refuses anything else, so that a file of weights cannot run code.
"""

import collections
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from deepfake_tf.errors import AssetError

_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C

# What reading may raise where bytes are not what they should be.
_DAMAGES = (
    *(pickle.UnpicklingError, zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, IndexError),
    *(EOFError, OSError, StopIteration, MemoryError, OverflowError),
)

OpenStorage = Callable[[str, np.dtype], np.ndarray]
"""Takes a storage's name and its kind of numbers, and returns them."""


def read_state_dict(path: Path | str) -> dict[str, np.ndarray]:
    """Reads the tensors of a file that `torch.save(model.state_dict(), path)` wrote.

    Args:
        path: the file; if it holds a checkpoint whose "state_dict", "model" or "teacher" is one, that is read.

    Returns:
        Tensors by name; float16 ones as float32.

    Raises:
        AssetError: it is no file of PyTorch's, damaged, or holds other things than tensors.
    """
    try:
        content = _read_zip(path) if zipfile.is_zipfile(path) else _read_old(path)
    except _DAMAGES as error:
        raise AssetError(
            f"{path} is no file of PyTorch's, is damaged, or holds more than tensors ({error}). Where PyTorch is, save "
            "the network's state_dict() alone."
        ) from error
    return _find_tensors(content, path)


def _find_tensors(content: Any, path: Path | str) -> dict[str, np.ndarray]:
    for key in ("state_dict", "model", "teacher"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, np.ndarray) for value in content.values()):
        raise AssetError(f"{path} is not a state_dict: expected tensors by name, received {type(content).__name__}.")
    return {
        str(name): value.astype(np.float32) if value.dtype == np.float16 else value for name, value in content.items()
    }


def _read_zip(path: Path | str) -> Any:
    with zipfile.ZipFile(path) as archive:
        pickled = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        folder = pickled.removesuffix("data.pkl")

        def open_storage(key: str, kind: np.dtype) -> np.ndarray:
            return np.frombuffer(archive.read(f"{folder}data/{key}"), kind)

        with archive.open(pickled) as file:
            return _Unpickler(file, open_storage).load()


def _read_old(path: Path | str) -> Any:
    kinds: dict[str, np.dtype] = {}

    def take_note(key: str, kind: np.dtype) -> np.ndarray:
        kinds[key] = kind
        return np.empty(0, kind)

    with open(path, "rb") as file:
        if _Unpickler(file).load() != _MAGIC_NUMBER:
            raise ValueError("it does not begin as one")
        _Unpickler(file).load(), _Unpickler(file).load()
        # The tensors come before their numbers: at first only what there is, then again.
        begin = file.tell()
        _Unpickler(file, take_note, rebuild=lambda storage, *_: storage).load()
        names = _Unpickler(file).load()
        storages = {name: _read_storage(file, kinds[name]) for name in names}
        file.seek(begin)
        return _Unpickler(file, lambda key, _: storages[key]).load()


def _read_storage(file: BinaryIO, kind: np.dtype) -> np.ndarray:
    size = int.from_bytes(file.read(8), "little")
    data = file.read(size * kind.itemsize)
    if len(data) < size * kind.itemsize:
        raise EOFError("it ends before its numbers do")
    return np.frombuffer(data, kind)


def _rebuild_tensor(
    storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> np.ndarray:
    bytes_per_step = tuple(step * storage.itemsize for step in strides)
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or (0 not in shape and last >= len(storage)):
        raise ValueError("a tensor reaches beyond its storage")
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, bytes_per_step).copy()


def _no_storage(key: str, kind: np.dtype) -> np.ndarray:
    raise pickle.UnpicklingError("it names a storage where there is none")


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, file: Any, open_storage: OpenStorage = _no_storage, rebuild: Callable[..., np.ndarray] = _rebuild_tensor
    ) -> None:
        super().__init__(file)
        self._open_storage, self._rebuild = open_storage, rebuild

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return self._rebuild
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda tensor, *_: tensor
        if module == "torch" and name in _STORAGES:
            return np.dtype(_STORAGES[name])
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, kind, key, *_ = pid
        return self._open_storage(key, kind)
