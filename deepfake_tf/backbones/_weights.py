"""Weights from files: Keras' own, and PyTorch's, whose layout becomes that of Keras."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from deepfake_tf.backbones import _torch_files
from deepfake_tf.errors import AssetError

NONE = "none"
KERAS_SUFFIXES = (".keras", ".weights.h5", ".h5")
TORCH_SUFFIXES = (".pt", ".pth", ".bin")

State = Mapping[str, np.ndarray]


def load(
    model: keras.Model,
    weights: str,
    *,
    from_torch: Callable[[keras.Model, State], None] | None = None,
    known: str = "",
) -> None:
    """Puts weights from a file into a network.

    Args:
        model: the network.
        weights: "none" leaves it as it is; otherwise the path of a file.
        from_torch: puts a PyTorch state_dict into the network, where there is a converter.
        known: what else the network takes, for the message.

    Raises:
        AssetError: there is no such file, or it holds other weights.
    """
    if weights == NONE:
        return
    path = Path(weights).expanduser()
    suffixes = KERAS_SUFFIXES + (TORCH_SUFFIXES if from_torch else ())
    if not path.is_file() or not path.name.endswith(suffixes):
        raise AssetError(
            f"weights must be 'none'{known}, or a file that ends in {', '.join(suffixes)}. Received: {weights!r}, "
            f"which is {'of another kind' if path.is_file() else 'not there'}."
        )
    if from_torch and path.name.endswith(TORCH_SUFFIXES):
        from_torch(model, _torch_files.read_state_dict(path))
        return
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers for which the file has nothing.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        raise AssetError(f"{path} does not hold weights of {model.name}: {error}") from error


# PyTorch's layout to Keras' ------------------------------------------------------------------------------------------


class TorchState:
    """Hands the tensors of a state_dict to layers, and notices what is missing, left over or of another shape.

    Args:
        state: tensors by name; the "module." that `DataParallel` puts before each name is taken off.
    """

    def __init__(self, state: State) -> None:
        self._left = {name.removeprefix("module."): value for name, value in state.items()}

    def take(self, name: str) -> np.ndarray:
        """Returns a tensor, once.

        Raises:
            AssetError: there is none of that name.
        """
        if name not in self._left:
            some = ", ".join(list(self._left)[:3])
            raise AssetError(f"The PyTorch weights have no {name!r}; they are of another network. Left in it: {some} …")
        return self._left.pop(name)

    def assign(self, layer: keras.layers.Layer, prefix: str) -> None:
        """Puts the tensors that begin with a prefix into a convolution, a dense layer or a normalisation.

        Args:
            layer: a built Keras layer.
            prefix: the name of the PyTorch module.

        Raises:
            AssetError: a tensor is missing, or of another shape.
        """
        if isinstance(layer, keras.layers.BatchNormalization):
            names: Sequence[str] = ("weight", "bias", "running_mean", "running_var")
            self._left.pop(f"{prefix}.num_batches_tracked", None)
        else:
            names = ("weight", "bias")[: len(layer.weights)]
        for variable, name in zip(layer.weights, names, strict=True):
            self.assign_value(variable, f"{prefix}.{name}", _layout_of(layer))

    def assign_value(
        self, variable: keras.Variable, name: str, change: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> None:
        """Puts one tensor into a variable.

        Args:
            variable: gets it.
            name: of the tensor.
            change: done to the tensor before.

        Raises:
            AssetError: the tensor is missing, or of another shape.
        """
        value = self.take(name)
        value = change(value) if change else value
        if tuple(value.shape) != tuple(variable.shape):
            raise AssetError(
                f"{name!r} of the PyTorch weights does not fit {variable.path}: expected shape "
                f"{tuple(variable.shape)}, received {tuple(value.shape)}. Are the settings those it was trained with?"
            )
        variable.assign(value)

    def finish(self, *, may_be_left: Sequence[str] = (), blocks: tuple[str, int] = ("", 0)) -> None:
        """Raises if tensors were not used.

        Args:
            may_be_left: ends of names that the network does not need.
            blocks: beginning of the names of numbered blocks, and how many of them are kept; those after them are not
                needed.

        Raises:
            AssetError: there are others.
        """
        cut = re.compile(re.escape(blocks[0]) + r"(\d+)\.")
        left = [
            name
            for name in self._left
            if not name.endswith(tuple(may_be_left))
            and not ((found := cut.match(name)) and blocks[0] and int(found.group(1)) >= blocks[1])
        ]
        if left:
            raise AssetError(
                f"The PyTorch weights hold {len(left)} tensors that this network has not, such as {left[0]!r}. "
                "Are the settings those it was trained with?"
            )


def _layout_of(layer: keras.layers.Layer) -> Callable[[np.ndarray], np.ndarray]:
    def change(value: np.ndarray) -> np.ndarray:
        if value.ndim == 4:
            # Out, in, H, W; a depth-wise kernel has its channels first and 1 after them.
            return (
                value.transpose(2, 3, 0, 1)
                if isinstance(layer, keras.layers.DepthwiseConv2D)
                else value.transpose(2, 3, 1, 0)
            )
        return value.T

    return change
