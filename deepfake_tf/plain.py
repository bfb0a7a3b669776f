"""Values as bytes that can be nothing but data, for what comes back from a process that may have been taken over.

Unlike a pickle, no bytes make the reader call anything but the constructors of registered dataclasses and exceptions.
A message is the length of a JSON text (8 bytes, little endian), the text, and the bytes and arrays that it points into.
"""

import builtins
import dataclasses
import json
import struct
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import errors

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Type = TypeVar("_Type", bound=type)
_HEAD = struct.Struct("<Q")
_kinds: dict[str, type] = {}
# Numbers and truth values; never Python objects.
_ARRAY_KINDS = "biuf"


def travels(kind: _Type) -> _Type:
    """A decorator: a frozen dataclass or an enumeration of texts whose values may be written and read."""
    _kinds[kind.__name__] = kind
    return kind


def dumps(value: Any) -> bytes:
    """Returns a value as bytes.

    Args:
        value: None, truth values, numbers, texts, bytes, arrays of numbers, exceptions, registered dataclasses and
            enumerations, and tuples, lists and dicts of all these.

    Raises:
        TypeError: it holds something else.
    """
    writer = _Writer()
    text = json.dumps(writer.tree(value)).encode()
    return b"".join([_HEAD.pack(len(text)), text, *writer.blobs])


def loads(data: bytes) -> Any:
    """Returns what `dumps` was given.

    Raises:
        ValueError: the bytes are no such message.
    """
    try:
        begin = _HEAD.size + _HEAD.unpack_from(data)[0]
        if begin > len(data):
            raise EOFError("it is cut short")
        return _Reader(memoryview(data)[begin:]).value(json.loads(data[_HEAD.size : begin]))
    except Exception as error:
        raise ValueError(f"The message holds no values ({type(error).__name__}: {error}).") from error


class _Writer:
    def __init__(self) -> None:
        self.blobs: list[bytes] = []
        self._num_bytes = 0

    def tree(self, value: Any) -> Any:
        """The value as JSON: what JSON has no word for is an object with one key, which says what it is."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, (tuple, list)):
            return {type(value).__name__: [self.tree(one) for one in value]}
        if isinstance(value, dict):
            return {"dict": [[self.tree(key), self.tree(one)] for key, one in value.items()]}
        if isinstance(value, bytes):
            return {"bytes": self._blob(value)}
        if isinstance(value, np.ndarray) and value.dtype.kind in _ARRAY_KINDS:
            return {"array": [value.dtype.str, list(value.shape), *self._blob(value.tobytes())]}
        if isinstance(value, Exception) and exception_kind(type(value).__name__) is type(value):
            notes = list(getattr(value, "__notes__", ()))
            return {"exception": [type(value).__name__, self.tree(value.args), self.tree(notes)]}
        return self._registered(value)

    def _registered(self, value: Any) -> Any:
        name = type(value).__name__
        if _kinds.get(name) is not type(value):
            raise TypeError(f"A value of type {name} cannot come back from a worker process.")
        if isinstance(value, Enum):
            return {"enum": [name, value.value]}
        value = cast("DataclassInstance", value)
        fields = {one.name: self.tree(getattr(value, one.name)) for one in dataclasses.fields(value)}
        return {"dataclass": [name, fields]}

    def _blob(self, data: bytes) -> list[int]:
        begin = self._num_bytes
        self.blobs.append(data)
        self._num_bytes += len(data)
        return [begin, self._num_bytes]


class _Reader:
    def __init__(self, blobs: memoryview) -> None:
        self._blobs = blobs

    def value(self, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        ((kind, content),) = tree.items()
        return _MAKERS[kind](self, content)

    def take(self, begin: int, end: int) -> bytes:
        if not 0 <= begin <= end <= len(self._blobs):
            raise IndexError(f"{begin} to {end} lie outside the message")
        return bytes(self._blobs[begin:end])

    def array(self, kind: str, shape: list[int], begin: int, end: int) -> NDArray[Any]:
        if np.dtype(kind).kind not in _ARRAY_KINDS:
            raise TypeError(f"no array of numbers: {kind}")
        # A copy: arrays over bytes cannot be written to.
        return np.frombuffer(self.take(begin, end), np.dtype(kind)).reshape(shape).copy()

    def exception(self, name: str, args: Any, notes: Any) -> Exception:
        kind = exception_kind(name)
        if kind is None:
            raise TypeError(f"no exception: {name}")
        error = kind(*self.value(args))
        for note in self.value(notes):
            error.add_note(str(note))
        return error


# Of the class, not of each reader: a reader that held them would hold itself, and with itself a whole message until
# Python looks for such circles.
_MAKERS: dict[str, Callable[[_Reader, Any], Any]] = {
    "tuple": lambda reader, items: tuple(reader.value(one) for one in items),
    "list": lambda reader, items: [reader.value(one) for one in items],
    "dict": lambda reader, pairs: {reader.value(key): reader.value(one) for key, one in pairs},
    "bytes": lambda reader, place: reader.take(*place),
    "array": lambda reader, parts: reader.array(*parts),
    "exception": lambda reader, parts: reader.exception(*parts),
    "enum": lambda reader, parts: _kinds[parts[0]](parts[1]),
    "dataclass": lambda reader, parts: _kinds[parts[0]](**{name: reader.value(one) for name, one in parts[1].items()}),
}


def exception_kind(name: str) -> type[Exception] | None:
    """Returns this library's or Python's own exception of a name, None if there is none."""
    found = getattr(errors, name, None) or getattr(builtins, name, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None
