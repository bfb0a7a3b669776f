"""EfficientNet-Lite0 against numbers that its PyTorch original gave, with weights that are a formula."""

import numpy as np
import pytest

from deepfake_tf.backbones import efficientnet_lite0
from deepfake_tf.errors import AssetError, ConfigError
from tests.backbones.formula import Shapes, formula_state

SIZE, NUM_BLOCKS = 64, 4
# Channels in, expanded and out, and the kernel, of the first blocks.
BLOCKS = ((32, 32, 16, 3), (16, 96, 24, 3), (24, 144, 24, 3), (24, 144, 40, 5), (40, 240, 40, 5))
FIRST = (-0.65869116, 0.61543604, -0.64421898, 0.60826599)
TOTAL = 18.385334


def shapes(blocks) -> Shapes:
    """Of the original's first blocks, in its own order."""
    found: Shapes = {}

    def add(name: str, kernel: tuple[int, ...], norm: str) -> None:
        found[f"{name}.weight"] = kernel
        for what in ("weight", "bias", "running_mean", "running_var"):
            found[f"{norm}.{what}"] = kernel[:1]
        found[f"{norm}.num_batches_tracked"] = ()

    add("_conv_stem", (32, 3, 3, 3), "_bn0")
    for number, (before, wide, after, size) in enumerate(blocks):
        name = f"_blocks.{number}"
        if number:
            add(f"{name}._expand_conv", (wide, before, 1, 1), f"{name}._bn0")
        add(f"{name}._depthwise_conv", (wide, 1, size, size), f"{name}._bn1")
        add(f"{name}._project_conv", (after, wide, 1, 1), f"{name}._bn2")
    return found


def picture() -> np.ndarray:
    """[1, SIZE, SIZE, 3] in [0, 255]."""
    return (127.5 + 127.5 * np.sin(0.01 * np.arange(3 * SIZE * SIZE))).reshape(1, SIZE, SIZE, 3).astype("float32")


@pytest.fixture
def file(tmp_path, write_old_torch_file):
    """One block more than is kept, the last convolution and the classes."""
    state = formula_state(shapes(BLOCKS[: NUM_BLOCKS + 1]))
    state |= {"_conv_head.weight": np.zeros([2, 2, 1, 1]), "_bn1.running_var": np.ones(2), "_fc.bias": np.zeros(3)}
    write_old_torch_file(tmp_path / "weights.pth", state)
    return tmp_path / "weights.pth"


def test_features_are_those_that_the_original_gave(file):
    model = efficientnet_lite0.build(SIZE, weights=str(file), num_blocks=NUM_BLOCKS)
    features = np.asarray(model(picture(), training=False))[0]
    np.testing.assert_allclose(features[:4], FIRST, atol=1e-5)
    assert np.abs(features).sum(dtype="float64") == pytest.approx(TOTAL, rel=1e-5)


def test_weights_that_are_missing_or_of_another_network_are_refused(file, tmp_path, write_torch_file):
    with pytest.raises(AssetError, match=r"have no '_blocks\.5\._expand_conv\.weight'"):
        efficientnet_lite0.build(SIZE, weights=str(file), num_blocks=NUM_BLOCKS + 2)
    state = formula_state(shapes(BLOCKS[:2])) | {"_blocks.1._se_reduce.weight": np.zeros([4, 96, 1, 1])}
    write_torch_file(tmp_path / "other.pth", state)
    with pytest.raises(AssetError, match=r"has not, such as '_blocks\.1\._se_reduce\.weight'"):
        efficientnet_lite0.build(SIZE, weights=str(tmp_path / "other.pth"), num_blocks=2)


def test_there_are_sixteen_blocks():
    with pytest.raises(ConfigError, match="num_blocks must be 1 to 16"):
        efficientnet_lite0.build(SIZE, num_blocks=17)
