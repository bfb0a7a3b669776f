"""The picture tower of CLIP ViT-B/16, by keras-hub: what a network knows that has read the captions of the web.

Shape letters: B frames, H = W pixels, N patches, D features.
"""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from deepfake_tf.backbones import _hub, _weights
from deepfake_tf.errors import ConfigError

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Radford et al. 2021, https://arxiv.org/abs/2103.00020; keras-hub"
IMAGE_SIZE = 224
PRESET = "clip_vit_base_patch16"
WEIGHTS = ("none", PRESET, "folder", "file")
BLOCK = r"encoder_block_(\d+)"
TINY: dict[str, Any] = {"num_blocks": 1, "input_size": 32}

PATCH_SIZE = 16
NUM_BLOCKS = 12
WIDTH = 768
NUM_HEADS = 12


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`; there are none to draw."""
    return {}


def build(
    image_size: int, *, weights: str = "none", input_size: int = 224, num_blocks: int = NUM_BLOCKS
) -> keras.Model:
    """Builds the network.

    Args:
        image_size: H = W of the frames in pixels.
        weights: "none", keras-hub's preset "clip_vit_base_patch16", the folder of a preset, a PyTorch state_dict file
            of Hugging Face's `CLIPModel`, or a Keras weights file of this backbone.
        input_size: frames are resized to this, a multiple of 16; the original's is 224.
        num_blocks: how many blocks are kept.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 768, of the class token.

    Raises:
        ConfigError: keras-hub is not installed, or the settings make no such network.
        AssetError: the weights are not there, or of another network.
    """
    model, tower = build_network(
        image_size, "clip_vit_b16", input_size, patch_size=PATCH_SIZE, size=(num_blocks, WIDTH, NUM_HEADS)
    )
    load_weights(model, tower, weights, preset=PRESET)
    return model


def build_network(
    image_size: int, name: str, input_size: int, *, patch_size: int, size: tuple[int, int, int]
) -> tuple[keras.Model, keras.Model]:
    """Builds a tower of any size.

    Args:
        image_size: H = W of the frames in pixels.
        name: of the backbone.
        input_size: frames are resized to this.
        patch_size: H = W of a patch in pixels.
        size: blocks, D, and heads of each attention.

    Returns:
        The backbone, pixels -> features, and keras-hub's network in it, which has all the weights.

    Raises:
        ConfigError: keras-hub is not installed, or the frames cannot be cut into patches.
    """
    check_patches(input_size, patch_size)
    num_blocks, width, num_heads = size
    tower = _hub.require().models.CLIPVisionEncoder(
        patch_size=patch_size,
        hidden_dim=width,
        num_layers=num_blocks,
        num_heads=num_heads,
        intermediate_dim=4 * width,
        image_shape=(input_size, input_size, 3),
    )
    # Weights to keras-hub, which leaves them at zero: without a file every patch would be in the same place.
    tower.embedding.position_ids.assign(np.arange(tower.embedding.num_positions)[None])
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    tokens = tower({"images": _hub.normalise(pixels, _hub.CLIP_MEAN, _hub.CLIP_DEVIATION, input_size)})
    return keras.Model(pixels, tokens[:, 0], name=name), tower


def check_patches(input_size: int, patch_size: int) -> None:
    """Raises if frames cannot be cut into patches.

    Args:
        input_size: H = W in pixels.
        patch_size: H = W of a patch in pixels.

    Raises:
        ConfigError: they cannot.
    """
    if input_size < patch_size or input_size % patch_size:
        raise ConfigError(f"input_size must be a multiple of {patch_size}. Received: input_size={input_size}")


def load_weights(model: keras.Model, tower: keras.Model, weights: str, *, preset: str) -> None:
    """Puts weights into what `build_network` returned.

    Args:
        model: the backbone.
        tower: the network in it.
        weights: see `build`.
        preset: keras-hub's name of the network.

    Raises:
        AssetError: the weights are not there, or of another network.
    """

    def take(name: str) -> None:
        source = _hub.open_preset("CLIPBackbone", name).vision_encoder
        _assign_positions(tower, ops.convert_to_numpy(source.embedding.position_embedding.embeddings))
        tower.embedding.class_embedding.assign(source.embedding.class_embedding)
        _hub.copy_weights(source.embedding.patch_embedding, tower.embedding.patch_embedding)
        _hub.copy_weights(source.pre_layer_norm, tower.pre_layer_norm)
        for layer, other in zip(tower.encoder_layers, source.encoder_layers, strict=False):
            _hub.copy_weights(other, layer)
        _hub.copy_weights(source.layer_norm, tower.layer_norm)

    _hub.load(model, weights, preset=preset, take=take, from_torch=lambda _, state: assign_torch(tower, state))


def assign_torch(tower: keras.Model, state: _weights.State) -> None:
    """Puts Hugging Face's weights into keras-hub's tower.

    Args:
        tower: what `build_network` returned second.
        state: a state_dict of `CLIPModel` or `CLIPVisionModel`; blocks that were not kept are left over.

    Raises:
        AssetError: a weight is missing, left over, or of another shape.
    """
    prefix = "vision_model."
    taker = _weights.TorchState(
        {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    )
    embedding = tower.embedding
    taker.assign_value(embedding.class_embedding, "embeddings.class_embedding")
    _assign_positions(tower, taker.take("embeddings.position_embedding.weight"))
    taker.assign(embedding.patch_embedding, "embeddings.patch_embedding")
    # The original's spelling.
    taker.assign(tower.pre_layer_norm, "pre_layrnorm")
    taker.assign(tower.layer_norm, "post_layernorm")
    for number, block in enumerate(tower.encoder_layers):
        name = f"encoder.layers.{number}"
        qkv = [f"{name}.self_attn.{one}_proj" for one in "qkv"]
        _hub.assign_attention(block.attention, taker, qkv, f"{name}.self_attn.out_proj")
        for layer, part in {
            block.layer_norm_1: "layer_norm1",
            block.layer_norm_2: "layer_norm2",
            block.dense_1: "mlp.fc1",
            block.dense_2: "mlp.fc2",
        }.items():
            taker.assign(layer, f"{name}.{part}")
    taker.finish(may_be_left=("position_ids",), blocks=("encoder.layers.", len(tower.encoder_layers)))


def _assign_positions(tower: keras.Model, positions: np.ndarray) -> None:
    embeddings = tower.embedding.position_embedding.embeddings
    embeddings.assign(_hub.interpolate_positions(positions, embeddings.shape[0]))
