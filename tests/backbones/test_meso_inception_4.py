"""MesoInception-4 against the parameter count of its paper."""

import math

import pytest

from deepfake_tf.backbones import meso_inception_4
from deepfake_tf.errors import ConfigError


def test_has_as_many_parameters_as_the_original():
    model = meso_inception_4.build(256)
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    assert trainable + 16 + 1 == 28_615
    assert model.output_shape == (None, 16)


def test_too_small_frames_are_refused():
    with pytest.raises(ConfigError, match="32 pixels or more"):
        meso_inception_4.build(31)
