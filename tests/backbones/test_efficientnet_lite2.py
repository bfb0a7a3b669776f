"""EfficientNet-Lite2 against numbers that its PyTorch original gave, with weights that are a formula."""

import numpy as np
import pytest

from deepfake_tf.backbones import efficientnet_lite2
from deepfake_tf.errors import ConfigError
from tests.backbones.formula import formula_state
from tests.backbones.test_efficientnet_lite0 import SIZE, picture, shapes

# The second stage has a block more than Lite0's, the third is wider.
BLOCKS = ((32, 32, 16, 3), (16, 96, 24, 3), (24, 144, 24, 3), (24, 144, 24, 3), (24, 144, 48, 5))
# Of the original when it is told the picture's size: what it adds at the edges follows from that.
FIRST = (-0.19839326, 0.13089665, -0.10369148, 0.02303996)
TOTAL = 12.94581


def test_features_are_those_that_the_original_gave(tmp_path, write_old_torch_file):
    write_old_torch_file(tmp_path / "weights.pth", formula_state(shapes(BLOCKS)))
    model = efficientnet_lite2.build(SIZE, weights=str(tmp_path / "weights.pth"), num_blocks=len(BLOCKS))
    features = np.asarray(model(picture(), training=False))[0]
    np.testing.assert_allclose(features[:4], FIRST, atol=1e-5)
    assert np.abs(features).sum(dtype="float64") == pytest.approx(TOTAL, rel=1e-5)


def test_there_are_twenty_one_blocks():
    with pytest.raises(ConfigError, match="num_blocks must be 1 to 21"):
        efficientnet_lite2.build(SIZE, num_blocks=22)
