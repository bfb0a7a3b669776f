"""DINOv2 ViT-B/14 by keras-hub: it learned from pictures alone, and sees fine detail.

Shape letters: B frames, H = W pixels, N patches, D features.
"""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from deepfake_tf.backbones import _hub, _weights, clip_vit_b16

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Oquab et al. 2023, https://arxiv.org/abs/2304.07193; keras-hub"
IMAGE_SIZE = 224
PRESET = "dinov2_base"
WEIGHTS = ("none", PRESET, "folder", "file")
# keras-hub calls them layers_0, layers_1 ...
BLOCK = r"layers_(\d+)"
TINY: dict[str, Any] = {"num_blocks": 1, "input_size": 28}

PATCH_SIZE = 14
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
        weights: "none", keras-hub's preset "dinov2_base", the folder of a preset, the original's PyTorch file
            dinov2_vitb14_pretrain.pth, or a Keras weights file of this backbone.
        input_size: frames are resized to this, a multiple of 14; the position embeddings are interpolated to it.
        num_blocks: how many blocks are kept.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 768, of the class token.

    Raises:
        ConfigError: keras-hub is not installed, or the settings make no such network.
        AssetError: the weights are not there, or of another network.
    """
    model, network = build_network(image_size, "dinov2_vit_b14", input_size, size=(num_blocks, WIDTH, NUM_HEADS))
    load_weights(model, network, weights, preset=PRESET)
    return model


def build_network(
    image_size: int, name: str, input_size: int, *, size: tuple[int, int, int]
) -> tuple[keras.Model, keras.Model]:
    """Builds a network of any size.

    Args:
        image_size: H = W of the frames in pixels.
        name: of the backbone.
        input_size: frames are resized to this.
        size: blocks, D, and heads of each attention.

    Returns:
        The backbone, pixels -> features, and keras-hub's network in it, which has all the weights.

    Raises:
        ConfigError: keras-hub is not installed, or the frames cannot be cut into patches.
    """
    clip_vit_b16.check_patches(input_size, PATCH_SIZE)
    num_blocks, width, num_heads = size
    network = _hub.require().models.DINOV2Backbone(
        patch_size=PATCH_SIZE,
        num_layers=num_blocks,
        hidden_dim=width,
        num_heads=num_heads,
        intermediate_dim=4 * width,
        image_shape=(input_size, input_size, 3),
        # Interpolated once, when weights are loaded. keras-hub would do it to and fro at each save and load.
        position_embedding_shape=(input_size, input_size),
    )
    # keras-hub only saves them if their sum has grown, so they must stay as they are.
    network.embeddings.interpolated_position_embeddings.trainable = False
    # For masked pictures, which only its own training has.
    network.embeddings.mask_token.trainable = False
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    images = _hub.normalise(pixels, _hub.IMAGENET_MEAN, _hub.IMAGENET_DEVIATION, input_size)
    tokens = network({"images": images})
    return keras.Model(pixels, tokens[:, 0], name=name), network


def load_weights(model: keras.Model, network: keras.Model, weights: str, *, preset: str) -> None:
    """Puts weights into what `build_network` returned.

    Args:
        model: the backbone.
        network: the network in it.
        weights: see `build`.
        preset: keras-hub's name of the network.

    Raises:
        AssetError: the weights are not there, or of another network.
    """

    def take(name: str) -> None:
        source = _hub.open_preset("DINOV2Backbone", name)
        _assign_positions(network, ops.convert_to_numpy(source.embeddings.position_embeddings)[0])
        network.embeddings.cls_token.assign(source.embeddings.cls_token)
        _hub.copy_weights(source.embeddings.patch_embeddings, network.embeddings.patch_embeddings)
        for layer, other in zip(network.encoder.layers, source.encoder.layers, strict=False):
            _hub.copy_weights(other, layer)
        _hub.copy_weights(source.layernorm, network.layernorm)

    _hub.load(model, weights, preset=preset, take=take, from_torch=lambda _, state: assign_torch(network, state))


def assign_torch(network: keras.Model, state: _weights.State) -> None:
    """Puts the original's weights into keras-hub's network.

    Args:
        network: what `build_network` returned second.
        state: the original's state_dict; blocks that were not kept are left over.

    Raises:
        AssetError: a weight is missing, left over, or of another shape.
    """
    taker = _weights.TorchState(state)
    taker.assign_value(network.embeddings.cls_token, "cls_token")
    _assign_positions(network, taker.take("pos_embed")[0])
    taker.assign(network.embeddings.patch_embeddings.projection, "patch_embed.proj")
    for number, block in enumerate(network.encoder.layers):
        name = f"blocks.{number}"
        _hub.assign_attention(block.attention.attention, taker, f"{name}.attn.qkv", f"{name}.attn.proj")
        taker.assign_value(block.layer_scale1.lambda1, f"{name}.ls1.gamma")
        taker.assign_value(block.layer_scale2.lambda1, f"{name}.ls2.gamma")
        for layer, part in {
            block.norm1: "norm1",
            block.norm2: "norm2",
            block.mlp.fc1: "mlp.fc1",
            block.mlp.fc2: "mlp.fc2",
        }.items():
            taker.assign(layer, f"{name}.{part}")
    taker.assign(network.layernorm, "norm")
    taker.finish(may_be_left=("mask_token",), blocks=("blocks.", len(network.encoder.layers)))


def _assign_positions(network: keras.Model, positions: np.ndarray) -> None:
    used = network.embeddings.interpolated_position_embeddings
    value = _hub.interpolate_positions(positions, used.shape[1])[None]
    used.assign(value)
    network.embeddings.position_embeddings.assign(value)
