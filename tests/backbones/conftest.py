"""A writer of files as `torch.save` makes them, without PyTorch."""

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

    def persistent_id(self, value):
        if isinstance(value, Storage):
            kind = Named("torch", KINDS[value.array.dtype.str])
            return ("storage", kind, value.key, "cpu", value.array.size)
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


@pytest.fixture
def write_torch_file():
    def write(path, state, wrap=lambda tensors: tensors):
        storages = [Storage(np.array(value, order="C"), str(number)) for number, value in enumerate(state.values())]
        tensors = {name: Tensor(storage, storage.array.shape) for name, storage in zip(state, storages, strict=True)}
        with zipfile.ZipFile(path, "w") as archive:
            with archive.open("archive/data.pkl", "w") as file:
                Pickler(file, protocol=2).dump(wrap(tensors))
            for storage in storages:
                archive.writestr(f"archive/data/{storage.key}", storage.array.tobytes())

    return write
