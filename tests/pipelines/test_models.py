"""The list of networks; what it counts is tested in tests/test_zoo.py."""

import pytest

from deepfake_tf import command
from deepfake_tf.errors import ConfigError
from pipelines import models


@pytest.fixture
def few(monkeypatch):
    """The large networks take minutes."""
    names = {"backbones": ["small_cnn", "meso_inception_4"], "heads": ["lstm", "max"]}
    monkeypatch.setattr("deepfake_tf.plugins.names", names.__getitem__)


def test_every_network_is_listed_with_its_counts(few, capsys):
    assert models.main(["--image-size", "64", "--num-frames", "2", "--width", "10"]) == command.DONE
    lines = {line.split()[1]: line.split() for line in capsys.readouterr().out.splitlines() if len(line.split()) > 5}
    assert lines["small_cnn"][2:7] == ["79,600", "0.015", "64", "px", "96"]
    assert lines["lstm"][2:7] == ["19,200", "0.00004", "2", "frames", "64"]
    assert "file" in lines["meso_inception_4"]


def test_what_is_not_installed_is_said_after_the_list(few, capsys, monkeypatch):
    def describe(name, image_size):
        raise ConfigError(f"{name} needs another package")

    monkeypatch.setattr("deepfake_tf.zoo.describe_backbone", describe)
    assert models.main([]) == command.DONE
    out = capsys.readouterr().out
    assert "not listed: small_cnn needs another package" in out
    assert out.index(" max ") < out.index("not listed")


def test_a_summary_shows_the_layers(capsys):
    assert models.main(["--summary", "small_cnn"]) == command.DONE
    *lines, last = capsys.readouterr().out.splitlines()
    assert "conv_3 Conv2D 16 x 16 x 96 55,296".split() in [line.split() for line in lines]
    # Of each normalised channel two numbers are statistics; see tests/test_zoo.py for the sum.
    assert last == "79,600 parameters, 79,184 of them learn; 0.059 GMACs for one input"
    assert models.main(["--summary", "lstm", "--num-frames", "3", "--width", "5"]) == command.DONE
    assert "3 x 5" in capsys.readouterr().out


def test_layers_of_a_network_in_a_network_are_below_it(capsys):
    assert models.main(["--summary", "small_cnn+meso_inception_4", "--image-size", "64"]) == command.DONE
    lines = capsys.readouterr().out.splitlines()
    outer = next(number for number, line in enumerate(lines) if line.startswith("small_cnn "))
    assert lines[outer + 1].startswith("  pixels ")


def test_an_unknown_network_is_one_line(capsys):
    assert models.main(["--summary", "smal_cnn"]) == command.WRONG_USE
    assert "Did you mean 'small_cnn'?" in capsys.readouterr().err
