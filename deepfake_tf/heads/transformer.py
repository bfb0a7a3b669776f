"""Attention between the frames, each of which knows its place in the clip, and a summary that asks them all.

Shape letters: B clips, T frames, D features.
"""

from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from deepfake_tf.errors import ConfigError
from deepfake_tf.heads import _masked

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, normalised before each part as in Xiong et al. 2020"
TINY: dict[str, Any] = {"units": 8, "num_heads": 2, "num_blocks": 1, "dropout": 0.0}


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`, drawn by Keras Tuner."""
    return {
        "units": hp.Choice("units", [64, 128]),
        "num_blocks": hp.Int("num_blocks", 1, 3),
        "dropout": hp.Float("dropout", 0.0, 0.3, step=0.1),
    }


def build(
    num_frames: int,
    width: int,
    *,
    units: int = 128,
    num_blocks: int = 2,
    num_heads: int = 4,
    dropout: float = 0.1,
) -> keras.Model:
    """Builds the head.

    Args:
        num_frames: T.
        width: D.
        units: D', a multiple of num_heads.
        num_blocks: of attention and two dense layers.
        num_heads: of each attention.
        dropout: share dropped in each block while training, in [0, 1).

    Returns:
        features [B, T, D], mask bool [B, T] -> [B, D'], what the summary has gathered from the frames that are there.

    Raises:
        ConfigError: units cannot be shared among the heads.
    """
    if num_heads < 1 or units < 1 or units % num_heads:
        raise ConfigError(f"units must be a multiple of num_heads. Received: units={units}, num_heads={num_heads}")
    features, mask = _masked.inputs(num_frames, width)
    x = layers.Dense(units, name="project")(_masked.present(features, mask))
    x = TimeEmbedding(name="time")(x)
    # Each may look at the summary and at the frames that are there.
    visible = keras.ops.expand_dims(keras.ops.pad(mask, ((0, 0), (1, 0)), constant_values=True), 1)
    for number in range(num_blocks):
        y = layers.LayerNormalization(name=f"attention_norm_{number}")(x)
        attention = layers.MultiHeadAttention(
            num_heads, units // num_heads, dropout=dropout, name=f"attention_{number}"
        )
        x = layers.Add(name=f"attention_add_{number}")([x, attention(y, y, attention_mask=visible)])
        y = layers.LayerNormalization(name=f"dense_norm_{number}")(x)
        y = layers.Dense(4 * units, activation="gelu", name=f"dense_in_{number}")(y)
        y = layers.Dense(units, name=f"dense_out_{number}")(y)
        y = layers.Dropout(dropout, name=f"dropout_{number}")(y)
        x = layers.Add(name=f"dense_add_{number}")([x, y])
    summary = layers.LayerNormalization(name="norm")(x[:, 0])
    return keras.Model([features, mask], summary, name="transformer")


@keras.saving.register_keras_serializable("deepfake_tf")
class TimeEmbedding(layers.Layer):
    """Puts a learned summary before the frames and adds to each a vector for its place: [B, T, D] -> [B, 1 + T, D]."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Makes the vectors."""
        _, num_frames, width = input_shape
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.places = self.add_weight(shape=(1 + num_frames, width), initializer=normal, name="places")

    def call(self, x: Any) -> Any:
        """Does what the class says."""
        return keras.ops.pad(x, ((0, 0), (1, 0), (0, 0))) + self.places

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of what `call` gives."""
        return (input_shape[0], 1 + input_shape[1], input_shape[2])
