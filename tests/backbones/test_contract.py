"""Every backbone by being there, under the mean head: see tests/model_contract.py."""

import inspect
import json
import re
from collections.abc import Iterable

import pytest

from deepfake_tf import plugins
from tests.model_contract import ModelContract, SourceContract, network

__all__ = ["network"]

BACKBONES = plugins.names("backbones")


# Another size of a network before is the same code of the same paper.
ONE_OF_EACH_SOURCE = {
    (plugin.SOURCE, *sorted(plugin.TINY)): name
    for name, plugin in ((name, plugins.load("backbones", name)) for name in reversed(BACKBONES))
}.values()
# Building all others takes seconds for each.
QUICK = {"small_cnn", "high_pass_cnn"}


def with_mean(backbones: Iterable[str]) -> pytest.MarkDecorator:
    cases = [
        pytest.param((name, "mean"), id=name, marks=[] if name in QUICK else pytest.mark.slow) for name in backbones
    ]
    return pytest.mark.parametrize("network", cases, indirect=True, scope="module")


@with_mean(ONE_OF_EACH_SOURCE)
class TestBackbone(ModelContract, SourceContract):
    pass


@with_mean(name for name in BACKBONES if name not in ONE_OF_EACH_SOURCE)
class TestAnotherSize(ModelContract):
    pass


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_says_what_it_is_and_has_a_search_space_of_its_own_settings(name):
    import keras_tuner

    plugin = plugins.load("backbones", name)
    drawn = plugin.sample(keras_tuner.HyperParameters())
    parameters = inspect.signature(plugin.build).parameters.values()
    if all(one.kind != inspect.Parameter.VAR_KEYWORD for one in parameters):
        assert set(drawn) | set(plugin.TINY) <= {one.name for one in parameters}
    assert json.loads(json.dumps(drawn)) == drawn
    assert plugin.SOURCE
    assert plugin.IMAGE_SIZE >= 64
    assert re.compile(plugin.BLOCK).groups
    assert plugin.__doc__
