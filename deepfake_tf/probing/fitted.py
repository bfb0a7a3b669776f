"""What was fitted by other means than gradients, as arrays with names, and as a Keras layer whose weights they are.

A plugin of classifiers/ or reductions/ says what it computes as `apply(arrays, features)` in keras.ops. That one
function is called while fitting, when a run is loaded, and in the servable: there is no second version of it to differ.
"""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic
from deepfake_tf.errors import DataError

Arrays = Mapping[str, Any]
"""Arrays by name. A whole number by itself, shape [], is no weight but part of the graph: how often it loops."""

Apply = Callable[[Arrays, Any], Any]


class FittedLayer(keras.layers.Layer):
    """Applies something fitted to features.

    It calculates in float64, as scikit-learn does: sums over support vectors lose too much in float32 to be equal.
    """

    def __init__(self, apply: Apply, arrays: Arrays, *, name: str, dtype: str = "float64") -> None:
        """Keeps whole numbers, and makes a weight of everything else.

        Args:
            apply: (arrays, features [B, D]) -> [B, K] or [B], in keras.ops.
            arrays: what it is given.
            name: of the layer.
            dtype: "float64", or "float32" where nothing else can be run.
        """
        super().__init__(name=name, dtype=dtype, trainable=False)
        self._apply = apply
        self._numbers = {key: int(value) for key, value in arrays.items() if is_number(value)}
        self._weights_by_name = {
            key: self._add(key, np.asarray(value)) for key, value in arrays.items() if not is_number(value)
        }

    def _add(self, name: str, value: NDArray[Any]) -> keras.Variable:
        return self.add_weight(
            shape=value.shape,
            dtype=self.compute_dtype if value.dtype.kind == "f" else "int32",
            initializer=lambda shape, dtype: keras.ops.convert_to_tensor(value, dtype),
            trainable=False,
            name=name,
        )

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Returns what `apply` makes of features [B, D]."""
        return self._apply({**self._numbers, **self._weights_by_name}, features)


def is_number(value: Any) -> bool:
    """Returns whether a value is a whole number by itself."""
    array = np.asarray(value)
    return array.ndim == 0 and array.dtype.kind in "iu"


def apply_now(apply: Apply, arrays: Arrays, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Applies something fitted to an array at once, in float64.

    Args:
        apply: see `FittedLayer`.
        arrays: see `FittedLayer`.
        features: [N, D].
    """
    given = {
        key: int(value) if is_number(value) else keras.ops.convert_to_tensor(value) for key, value in arrays.items()
    }
    return np.asarray(keras.ops.convert_to_numpy(apply(given, keras.ops.convert_to_tensor(features, "float64"))))


def write_arrays(path: Path, parts: Mapping[str, Arrays]) -> None:
    """Writes the arrays of several parts into one file, which appears whole.

    Args:
        path: a .npz file.
        parts: arrays by the name of the part; no name holds a slash.
    """
    flat = {f"{part}/{name}": np.asarray(value) for part, arrays in parts.items() for name, value in arrays.items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **flat)
    atomic.write_whole(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, dict[str, NDArray[Any]]]:
    """Returns what `write_arrays` wrote; a part without arrays is not in it.

    Raises:
        DataError: the file is not there, or damaged.
    """
    parts: dict[str, dict[str, NDArray[Any]]] = {}
    try:
        # From memory: NumPy leaves a file open that it could not read.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            for key in file.files:
                part, _, name = key.partition("/")
                parts.setdefault(part, {})[name] = file[key]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read ({error}). Expected what a probe fitted; run the probe anew."
        ) from error
    return parts
