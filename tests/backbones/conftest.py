"""Writers of files as `torch.save` makes them, and made them before 1.6, without PyTorch."""

import pickle
import zipfile

import numpy as np
import pytest

KINDS = {"<f4": "FloatStorage", "<f8": "DoubleStorage", "<f2": "HalfStorage", "<i8": "LongStorage"}


class Storage:
    """Stands for a file of raw numbers in the archive."""

    def __init__(self, array: np.ndarray, key: str) -> None:
        self.array, self.key = array, key


class Named:
    """Stands for something of PyTorch's that the pickle only names."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __reduce__(self):
        return f"{self.module}.{self.name}"


class Pickler(pickle._Pickler):
    """Writes tensors as PyTorch does: a call of its rebuilding function on a storage that lies elsewhere."""

    more: tuple = ()

    def persistent_id(self, value):
        if isinstance(value, Storage):
            kind = Named("torch", KINDS[value.array.dtype.str])
            return ("storage", kind, value.key, "cpu", value.array.size, *self.more)
        return None

    def save(self, value, *arguments, **options):
        if isinstance(value, Named):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Tensor):
            self.save(Named("torch._utils", "_rebuild_tensor_v2"))
            array = value.storage.array
            strides = tuple(step // array.itemsize for step in np.empty(value.shape, array.dtype).strides)
            self.save((value.storage, value.offset, value.shape, strides, False, None))
            self.write(pickle.REDUCE)
        else:
            super().save(value, *arguments, **options)


class Tensor:
    """A part of a storage."""

    def __init__(self, storage: Storage, shape: tuple[int, ...], offset: int = 0) -> None:
        self.storage, self.shape, self.offset = storage, shape, offset


def tensors_of(state) -> dict[str, Tensor]:
    storages = [Storage(np.array(value, order="C"), str(number)) for number, value in enumerate(state.values())]
    return {name: Tensor(storage, storage.array.shape) for name, storage in zip(state, storages, strict=True)}


@pytest.fixture
def write_torch_file():
    def write(path, state, wrap=lambda tensors: tensors):
        tensors = tensors_of(state)
        with zipfile.ZipFile(path, "w") as archive:
            with archive.open("archive/data.pkl", "w") as file:
                Pickler(file, protocol=2).dump(wrap(tensors))
            for one in tensors.values():
                archive.writestr(f"archive/data/{one.storage.key}", one.storage.array.tobytes())

    return write


@pytest.fixture
def write_old_torch_file():
    def write(path, state, wrap=lambda tensors: tensors):
        tensors = tensors_of(state)
        storages = [one.storage for one in tensors.values()]
        with open(path, "wb") as file:
            for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
                pickle.dump(value, file, protocol=2)
            pickler = Pickler(file, protocol=2)
            # Whether it is a part of another storage.
            pickler.more = (None,)
            pickler.dump(wrap(tensors))
            pickle.dump([one.key for one in storages], file, protocol=2)
            for one in storages:
                file.write(one.array.size.to_bytes(8, "little") + one.array.tobytes())

    return write
