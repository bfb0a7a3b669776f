"""Backbones and heads under another of Keras' backends, where one is installed: they use keras and keras.ops alone."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import numpy as np
from deepfake_tf import plugins
from deepfake_tf.backbones import _compose
from deepfake_tf.errors import ConfigError
import keras

pixels = np.random.default_rng(0).uniform(0, 255, [2, 96, 96, 3]).astype("float32")
for name in plugins.names("backbones"):
    plugin = plugins.load("backbones", name)
    try:
        model = _compose.build(name, 96, plugin.TINY)
    except ConfigError as error:
        assert "keras-hub" in str(error), error
        continue
    features = keras.ops.convert_to_numpy(model(pixels, training=False))
    assert features.shape == (2, model.output_shape[-1]) and np.isfinite(features).all(), name
frames, mask = pixels[:, :4, :3, 0], np.array([[True, False, True], [False, False, False]])
for name in plugins.names("heads"):
    model = plugins.load("heads", name).build(3, 4, **plugins.load("heads", name).TINY)
    out = keras.ops.convert_to_numpy(model([frames.transpose(0, 2, 1), mask], training=False))
    assert np.isfinite(out).all(), name
print(keras.backend.backend())
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_network_runs(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-1] == backend
