"""Counts of networks against arithmetic, and against numbers that others have published."""

import itertools

import keras
import pytest

from deepfake_tf import plugins, zoo
from deepfake_tf.errors import ConfigError


def test_a_small_network_is_counted_by_hand():
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(pixels)
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.EinsumDense("bhwc,cd->bhwd", (4, 4, 5))(x)
    x = keras.layers.Dense(7)(keras.layers.Flatten()(x))
    macs = [8 * 8 * 4 * 27, 4 * 4 * 6 * 9 * 4, 4 * 4 * 6 * 9, 4 * 4 * 6 * 5, 80 * 7]
    assert zoo.count_macs(keras.Model(pixels, x)) == sum(macs)


def test_parts_are_counted():
    # small_cnn at its defaults: convolutions without bias, four values for each normalised channel.
    channels = [3, 16, 32, 64, 96]
    steps = list(itertools.pairwise(channels))
    backbone = zoo.describe_backbone("small_cnn", 64)
    assert (backbone.num_parameters, backbone.width) == (sum(9 * a * b + 4 * b for a, b in steps), 96)
    assert backbone.num_macs == sum(9 * a * b * (64 >> n) ** 2 for n, (a, b) in enumerate(steps))
    # Four gates of (10 features + 64 units + 1) x 64; the bias is no product. A loop counts for each of its 2 frames.
    lstm, mean = (zoo.describe_head(name, 2, 10) for name in ("lstm", "mean"))
    assert (lstm.num_parameters, lstm.num_macs, lstm.width) == (4 * 75 * 64, 2 * 4 * 74 * 64, 64)
    assert (mean.num_parameters, mean.num_macs, mean.width) == (0, 0, 10)


def test_what_cannot_be_built_is_said_and_the_list_goes_on(monkeypatch):
    monkeypatch.setattr(plugins, "names", lambda kind: {"backbones": ["coatnet0", "small_cnn"], "heads": ["max"]}[kind])
    parts = list(zoo.list_parts(image_size=48, num_frames=2, width=3))
    assert isinstance(parts[0], ConfigError)
    assert [part.name for part in parts[1:]] == ["small_cnn", "max"]
    assert parts[1].image_size == 48
    assert zoo.describe_backbone("small_cnn").image_size == 128


def test_a_part_is_built_by_its_name():
    sizes = {"image_size": 64, "num_frames": 2, "width": 3}
    assert zoo.build_part("lstm", **sizes).input_shape == [(None, 2, 3), (None, 2)]
    assert zoo.build_part("small_cnn", **sizes).input_shape == (None, 64, 64, 3)
    assert zoo.build_part("small_cnn+meso_inception_4", **sizes).output_shape == (None, 96 + 16)
    with pytest.raises(ConfigError, match="Did you mean 'small_cnn'"):
        zoo.build_part("small_cn", **sizes)
