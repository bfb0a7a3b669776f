"""The composition of a backbone and a head; what each of them promises is in tests/model_contract.py."""

import numpy as np
import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import ModelSettings
from deepfake_tf.model import build_model
from tests.model_contract import ModelContract, RebuildContract, SourceContract, batch, build, network, tiny

__all__ = ["network"]

# Pairs that are trained for real: the folders' own tests have each backbone under the mean, each head on small_cnn.
PAIRS = [("efficientnet_b0", "lstm"), ("coatnet0", "transformer")]


@pytest.mark.slow
@pytest.mark.parametrize("network", PAIRS, ids="-".join, indirect=True, scope="module")
class TestRealPair(ModelContract, SourceContract, RebuildContract):
    pass


def logits_in_both_orders(head: str) -> tuple[np.ndarray, np.ndarray]:
    model, inputs = build(tiny(head=head)), batch(4)
    permuted = {name: values[:, [2, 0, 3, 1]] for name, values in inputs.items()}
    return model(inputs, training=False).numpy(), model(permuted, training=False).numpy()


def test_the_order_of_frames_changes_the_lstm():
    given, permuted = logits_in_both_orders("lstm")
    assert np.abs(given - permuted).min() > 1e-6


def test_the_order_of_frames_does_not_change_the_mean():
    given, permuted = logits_in_both_orders("mean")
    np.testing.assert_allclose(given, permuted, atol=1e-6)


def test_wrong_settings_of_a_plugin_are_refused_in_words():
    with pytest.raises(ConfigError, match="small_cnn in backbones does not take"):
        build_model(ModelSettings(backbone_settings={"depht": 3}))
    with pytest.raises(ConfigError, match="halved|2\\^blocks"):
        build_model(ModelSettings(image_size=4))
