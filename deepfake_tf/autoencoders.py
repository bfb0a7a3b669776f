"""Autoencoders that learn to draw faces: what a generator of fakes does to a face, learned from real faces alone.

    face uint8 [S, S, 3] --convolutions--> a small code --a decoder--> the face, nearly

    FOLDER/learning.json              from what and how; written first
    FOLDER/<decoder>-<stage>.keras    what was learned; an early stage draws more coarsely

Face swaps of most data sets come out of such a network: a small code, and convolutions that enlarge. Each decoder
enlarges in another way, since each leaves patterns of its own (Odena et al., "Deconvolution and Checkerboard
Artifacts", 2016): transposed convolutions as in early generators, pixels repeated before a convolution, and channels
rearranged into pixels (Shi et al., "Real-Time Single Image and Video Super-Resolution", CVPR 2016). Nobody's face is
turned into another's here: each comes back as itself.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic
from deepfake_tf.errors import ConfigError, DataError

if TYPE_CHECKING:
    import keras

FACE_SIZE_PX = 64
CODE_CHANNELS = {"transposed": 8, "repeated": 16, "rearranged": 32}
"""How many numbers each of the 64 fields of a face becomes, by the name of the decoder."""
NUM_STAGES = 2
LEARNING_NAME = "learning.json"

Faces = NDArray[np.uint8]
OnProgress = Callable[[int, int], None]
"""Takes how many epochs are done, and of how many."""

_FEWEST_FACES = 2
# Small: many steps in little time.
_BATCH_SIZE = 8
_RATE = 2e-3
# A code without places, as early generators have it, would need a hundred times as long until it draws a face.
_ENCODER = (16, 32, 48)
_DECODER = (32, 16)
_LIKENESS_WEIGHT = 0.5


class Autoencoders:
    """Those of a folder that `learn` made.

    Attributes:
        names: one for each decoder and stage.
    """

    names = tuple(f"{decoder}-{stage}" for decoder in CODE_CHANNELS for stage in range(NUM_STAGES))

    def __init__(self, folder: Path) -> None:
        """Opens the folder.

        Raises:
            ConfigError: not all of them have learned.
        """
        if not is_finished(folder):
            raise ConfigError(f"{folder} lacks some of the autoencoders {', '.join(self.names)}. Let them learn first.")
        self._network = cache(lambda name: _load(folder / f"{name}.keras"))

    def draw(self, name: str, faces: Faces) -> Faces:
        """Returns faces as one of the autoencoders draws them, uint8 [N, S, S, 3] like the faces; S is FACE_SIZE_PX."""
        drawn = self._network(name).predict_on_batch(faces.astype(np.float32) / 255)
        return np.asarray(np.rint(np.asarray(drawn) * 255), np.uint8)


def learn(
    faces: Faces,
    folder: Path,
    *,
    epochs: int,
    seed: int = 0,
    on_progress: OnProgress = lambda done, of: None,
) -> Autoencoders:
    """Learns to draw faces with each decoder; a decoder that has learned already is left as it is.

    Args:
        faces: uint8 [N, S, S, 3] RGB, aligned, of real people; S is FACE_SIZE_PX.
        folder: is made.
        epochs: of each decoder, NUM_STAGES or more.
        seed: of weights and order.
        on_progress: is told how far it is.

    Raises:
        ConfigError: the folder holds what was learned from other faces or in another way.
        DataError: there are too few faces.
    """
    if epochs < NUM_STAGES:
        raise ConfigError(f"epochs must be {NUM_STAGES} or more. Received: {epochs}")
    if len(faces) < _FEWEST_FACES:
        raise DataError(f"Autoencoders learn from {_FEWEST_FACES} faces or more. Received: {len(faces)}")
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(faces.tobytes()).hexdigest()[:16]
    learning = {"faces": digest, "num_faces": len(faces), "epochs": epochs, "seed": seed}
    refusal = f"{folder} holds autoencoders that learned from other faces or by other settings. Name another folder."
    atomic.claim(folder / LEARNING_NAME, learning, refusal)
    for number, decoder in enumerate(CODE_CHANNELS):
        if not (folder / f"{decoder}-{NUM_STAGES - 1}.keras").is_file():
            for epoch in _learn_one(decoder, faces, folder, epochs, seed):
                on_progress(number * epochs + epoch, len(CODE_CHANNELS) * epochs)
    return Autoencoders(folder)


def is_finished(folder: Path) -> bool:
    """Returns whether all autoencoders of a folder have learned."""
    return all((folder / f"{name}.keras").is_file() for name in Autoencoders.names)


def _learn_one(decoder: str, faces: Faces, folder: Path, epochs: int, seed: int) -> Iterator[int]:
    import keras

    keras.utils.set_random_seed(seed)
    network = build(decoder)
    num_steps = epochs * -(-len(faces) // _BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(_RATE, num_steps)
    network.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss=unlikeness)
    random = np.random.default_rng(seed)
    ends = {epochs * (stage + 1) // NUM_STAGES: stage for stage in range(NUM_STAGES)}
    for epoch in range(epochs):
        shown = faces.astype(np.float32) / 255
        mirrored = random.random(len(shown)) < 0.5
        shown[mirrored] = shown[mirrored, :, ::-1]
        network.fit(shown, shown, batch_size=_BATCH_SIZE, verbose=0)
        if epoch + 1 in ends:
            _save(network, folder / f"{decoder}-{ends[epoch + 1]}.keras")
        yield epoch + 1


def _save(network: "keras.Model", path: Path) -> None:
    partial = path.with_name(f".{path.name}")
    network.save(partial)
    os.replace(partial, path)


def _load(path: Path) -> "keras.Model":
    import keras

    return keras.models.load_model(path, compile=False)


# The network ----------------------------------------------------------------------------------------------------------


def build(decoder: str) -> "keras.Model":
    """Builds an autoencoder: pixels float32 [B, S, S, 3] in [0, 1] -> the same, as far as the code holds them.

    Args:
        decoder: one of CODE_CHANNELS.
    """
    import keras
    from keras import layers

    pixels = x = keras.Input((FACE_SIZE_PX, FACE_SIZE_PX, 3), name="pixels")
    for width in _ENCODER:
        x = layers.LeakyReLU(0.1)(layers.Conv2D(width, 3, strides=2, padding="same")(x))
    x = layers.Conv2D(CODE_CHANNELS[decoder], 1, name="code")(x)
    x = layers.LeakyReLU(0.1)(layers.Conv2D(_ENCODER[-1], 3, padding="same")(x))
    for width in _DECODER:
        x = layers.LeakyReLU(0.1)(_enlarge(decoder, x, width))
    # The last enlargement draws colours: its patterns stay.
    drawn = layers.Activation("sigmoid", name="drawn")(_enlarge(decoder, x, 3))
    return keras.Model(pixels, drawn, name=f"autoencoder_{decoder}")


def _enlarge(decoder: str, x: Any, width: int) -> Any:
    """Maps [B, H, W, C] -> [B, 2 H, 2 W, width]."""
    from keras import layers

    if decoder == "transposed":
        return layers.Conv2DTranspose(width, 4, strides=2, padding="same")(x)
    if decoder == "repeated":
        return layers.Conv2D(width, 3, padding="same")(layers.UpSampling2D(2)(x))
    return rearrange(layers.Conv2D(4 * width, 3, padding="same")(x), width)


def rearrange(x: Any, width: int) -> Any:
    """Makes channels pixels: [B, H, W, 4 width] -> [B, 2 H, 2 W, width]."""
    from keras import layers

    _, height, breadth, _ = x.shape
    x = layers.Permute((1, 3, 2, 4, 5))(layers.Reshape((height, breadth, 2, 2, width))(x))
    return layers.Reshape((2 * height, 2 * breadth, width))(x)


def unlikeness(faces: Any, drawn: Any) -> Any:
    """The mean absolute error, and how far structural similarity is from 1 (Wang et al., 2004), float32 []."""
    from keras import ops

    def mean(x: Any) -> Any:
        return ops.average_pool(x, 8, strides=4)

    ours, theirs = mean(drawn), mean(faces)
    spreads = mean(drawn * drawn) - ours * ours, mean(faces * faces) - theirs * theirs
    together = mean(drawn * faces) - ours * theirs
    # The constants of the paper, for values in [0, 1].
    likeness = (2 * ours * theirs + 1e-4) * (2 * together + 9e-4)
    likeness = likeness / ((ours * ours + theirs * theirs + 1e-4) * (spreads[0] + spreads[1] + 9e-4))
    return ops.mean(ops.abs(faces - drawn)) + _LIKENESS_WEIGHT * (1 - ops.mean(likeness))
