"""DINOv2 ViT-S/14 by keras-hub: `dinov2_vit_b14`, smaller.

Shape letters: B frames, H = W pixels, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import dinov2_vit_b14

if TYPE_CHECKING:
    import keras_tuner

SOURCE = dinov2_vit_b14.SOURCE
IMAGE_SIZE = 224
PRESET = "dinov2_small"
WEIGHTS = ("none", PRESET, "folder", "file")
BLOCK = dinov2_vit_b14.BLOCK
TINY = dinov2_vit_b14.TINY

NUM_BLOCKS = 12
WIDTH = 384
NUM_HEADS = 6


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`; there are none to draw."""
    return {}


def build(
    image_size: int, *, weights: str = "none", input_size: int = 224, num_blocks: int = NUM_BLOCKS
) -> keras.Model:
    """Builds the network.

    Args:
        image_size: H = W of the frames in pixels.
        weights: as for `dinov2_vit_b14`; keras-hub's preset is "dinov2_small", the original's file
            dinov2_vits14_pretrain.pth.
        input_size: frames are resized to this, a multiple of 14; the position embeddings are interpolated to it.
        num_blocks: how many blocks are kept.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 384, of the class token.

    Raises:
        ConfigError: keras-hub is not installed, or the settings make no such network.
        AssetError: the weights are not there, or of another network.
    """
    size = (num_blocks, WIDTH, NUM_HEADS)
    model, network = dinov2_vit_b14.build_network(image_size, "dinov2_vit_s14", input_size, size=size)
    dinov2_vit_b14.load_weights(model, network, weights, preset=PRESET)
    return model
