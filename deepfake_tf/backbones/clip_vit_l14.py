"""The picture tower of CLIP ViT-L/14, by keras-hub: `clip_vit_b16`, larger.

Shape letters: B frames, H = W pixels, D features.
"""

from typing import TYPE_CHECKING, Any

import keras

from deepfake_tf.backbones import clip_vit_b16

if TYPE_CHECKING:
    import keras_tuner

SOURCE = clip_vit_b16.SOURCE
IMAGE_SIZE = 224
PRESET = "clip_vit_large_patch14"
WEIGHTS = ("none", PRESET, "folder", "file")
BLOCK = clip_vit_b16.BLOCK
TINY: dict[str, Any] = {"num_blocks": 1, "input_size": 28}

PATCH_SIZE = 14
NUM_BLOCKS = 24
WIDTH = 1024
NUM_HEADS = 16


def sample(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """Returns settings of `build`; there are none to draw."""
    return {}


def build(
    image_size: int, *, weights: str = "none", input_size: int = 224, num_blocks: int = NUM_BLOCKS
) -> keras.Model:
    """Builds the network.

    Args:
        image_size: H = W of the frames in pixels.
        weights: as for `clip_vit_b16`; keras-hub's preset is "clip_vit_large_patch14".
        input_size: frames are resized to this, a multiple of 14; the original's is 224.
        num_blocks: how many blocks are kept.

    Returns:
        pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D], D = 1024, of the class token.

    Raises:
        ConfigError: keras-hub is not installed, or the settings make no such network.
        AssetError: the weights are not there, or of another network.
    """
    model, tower = clip_vit_b16.build_network(
        image_size, "clip_vit_l14", input_size, patch_size=PATCH_SIZE, size=(num_blocks, WIDTH, NUM_HEADS)
    )
    clip_vit_b16.load_weights(model, tower, weights, preset=PRESET)
    return model
