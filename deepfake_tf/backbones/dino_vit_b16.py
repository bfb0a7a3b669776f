"""ViT-B/16 that learned without labels by DINO: keras-hub's network, filled from the original's PyTorch file.

The file is dino_vitbase16_pretrain.pth of facebookresearch/dino.

Shape letters: B frames, H = W pixels, N patches, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import _hub, _weights, clip_vit_b16

if TYPE_CHECKING:
    import keras_tuner

SOURCE = "Caron et al. 2021, https://arxiv.org/abs/2104.14294; network of keras-hub"
IMAGE_SIZE = 224
WEIGHTS = ("none", "file")
# keras-hub counts them from 1.
BLOCK = r"transformer_block_(\d+)"
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
        weights: "none", the original's PyTorch file, or a Keras weights file of this backbone.
        input_size: frames are resized to this, a multiple of 16; the position embeddings are interpolated to it.
        num_blocks: how many blocks are kept.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 768, of the class token.

    Raises:
        ConfigError: keras-hub is not installed, or the settings make no such network.
        AssetError: the weights are not there, or of another network.
    """
    clip_vit_b16.check_patches(input_size, PATCH_SIZE)
    network = _hub.require().models.ViTBackbone(
        image_shape=(input_size, input_size, 3),
        patch_size=PATCH_SIZE,
        num_layers=num_blocks,
        num_heads=NUM_HEADS,
        hidden_dim=WIDTH,
        mlp_dim=4 * WIDTH,
    )
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    tokens = network(_hub.normalise(pixels, _hub.IMAGENET_MEAN, _hub.IMAGENET_DEVIATION, input_size))
    model = keras.Model(pixels, tokens[:, 0], name="dino_vit_b16")
    _weights.load(model, weights, from_torch=lambda _, state: assign_torch(network, state))
    return model


def assign_torch(network: keras.Model, state: _weights.State) -> None:
    """Puts the original's weights into keras-hub's network.

    Args:
        network: keras-hub's ViTBackbone.
        state: the original's state_dict; blocks that were not kept are left over.

    Raises:
        AssetError: a weight is missing, left over, or of another shape.
    """
    taker = _weights.TorchState(state)
    embedding, encoder = (layer for layer in network.layers if layer.weights)
    taker.assign_value(embedding.class_token, "cls_token")
    positions = embedding.position_embedding.embeddings
    positions.assign(_hub.interpolate_positions(taker.take("pos_embed")[0], positions.shape[0]))
    taker.assign(embedding.patch_embedding, "patch_embed.proj")
    for number, block in enumerate(encoder.encoder_layers):
        name = f"blocks.{number}"
        _hub.assign_attention(block.mha, taker, f"{name}.attn.qkv", f"{name}.attn.proj")
        for layer, part in {
            block.layer_norm_1: "norm1",
            block.layer_norm_2: "norm2",
            block.mlp.dense_1: "mlp.fc1",
            block.mlp.dense_2: "mlp.fc2",
        }.items():
            taker.assign(layer, f"{name}.{part}")
    taker.assign(encoder.layer_norm, "norm")
    taker.finish(blocks=("blocks.", len(encoder.encoder_layers)))
