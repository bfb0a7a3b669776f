"""Every head by being there, on small_cnn: see tests/model_contract.py."""

import dataclasses
import inspect
import json

import numpy as np
import pytest

from deepfake_tf import plugins
from tests.model_contract import (
    FRAMES,
    ModelContract,
    RebuildContract,
    SourceContract,
    batch,
    build,
    network,
    spec_of,
    tiny,
)

__all__ = ["network"]

HEADS = plugins.names("heads")
RECURRENT = ["lstm", "gru", "bidirectional_lstm"]

on_small_cnn = pytest.mark.parametrize(
    "network", [pytest.param(("small_cnn", head), id=head) for head in HEADS], indirect=True, scope="module"
)


@on_small_cnn
class TestEachHead(ModelContract, SourceContract, RebuildContract):
    pass


@pytest.mark.parametrize("name", HEADS)
def test_a_head_says_what_it_is_and_has_a_search_space_of_its_own_settings(name):
    import keras_tuner

    plugin = plugins.load("heads", name)
    drawn = plugin.sample(keras_tuner.HyperParameters())
    assert set(drawn) | set(plugin.TINY) <= set(inspect.signature(plugin.build).parameters)
    assert json.loads(json.dumps(drawn)) == drawn
    assert plugin.SOURCE
    assert plugin.__doc__


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("num_frames", [1, 3])
def test_a_head_takes_any_number_of_frames(head, num_frames):
    plugin = plugins.load("heads", head)
    built = plugin.build(num_frames, 6, **plugin.TINY)
    out = built([np.ones((2, num_frames, 6), np.float32), np.ones((2, num_frames), bool)])
    assert out.shape == (2, *built.output_shape[1:])
    assert len(out.shape) == 2


@pytest.mark.slow
def test_clips_of_another_length_are_another_export(tmp_path):
    """With the head whose weights depend on the number of frames."""
    from deepfake_tf import export

    settings = tiny(head="transformer", num_frames=6)
    folder = export.export_model(build(settings), spec_of(settings), tmp_path / "detector")
    assert (folder / "saved_model.pb").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("head", RECURRENT)
def test_what_was_trained_on_cudnn_is_served_without(head, tmp_path):
    from deepfake_tf import export

    settings = tiny(head=head)
    settings = dataclasses.replace(settings, head_settings={**settings.head_settings, "use_cudnn": True})
    trained = build(settings)
    folder = export.export_model(trained, spec_of(settings), tmp_path / "detector")
    # Where there is no cuDNN nothing else would tell.
    assert not any(getattr(layer, "use_cudnn", False) for layer in trained._flatten_layers())
    plain = build(dataclasses.replace(settings, head_settings=plugins.load("heads", head).TINY))
    inputs = batch(FRAMES + 1)
    np.testing.assert_allclose(trained(inputs, training=False), plain(inputs, training=False), atol=1e-5)
    assert folder.is_dir()
