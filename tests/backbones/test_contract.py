"""Every backbone by being there, under the mean head: see tests/model_contract.py."""

import inspect
import json
import re

import pytest

from deepfake_tf import plugins
from tests.model_contract import ModelContract, RebuildContract, SourceContract, network

__all__ = ["network"]

BACKBONES = plugins.names("backbones")


# Backbones of one library are built, saved and loaded by the same code; those of one paper are the same code.
LIBRARY, PAPER, SIZE = "library", "paper", "size"


def kinds() -> dict[str, str]:
    """By name, whether a backbone is the first of its library, the first of its paper, or another size."""
    libraries, papers, found = set(), set(), {}
    for name in BACKBONES:
        plugin = plugins.load("backbones", name)
        library = (plugin.SOURCE.rpartition("; ")[2], *sorted(plugin.TINY))
        paper = (plugin.SOURCE, *sorted(plugin.TINY))
        found[name] = LIBRARY if library not in libraries else PAPER if paper not in papers else SIZE
        libraries.add(library)
        papers.add(paper)
    return found


KINDS = kinds()
# Building all others takes seconds for each.
QUICK = {"small_cnn", "high_pass_cnn"}


def with_mean(kind: str) -> pytest.MarkDecorator:
    cases = [
        pytest.param((name, "mean"), id=name, marks=[] if name in QUICK else pytest.mark.slow)
        for name in BACKBONES
        if KINDS[name] == kind
    ]
    return pytest.mark.parametrize("network", cases, indirect=True, scope="module")


@with_mean(LIBRARY)
class TestOfItsLibrary(ModelContract, SourceContract, RebuildContract):
    pass


@with_mean(PAPER)
class TestOfItsPaper(ModelContract, SourceContract):
    pass


@with_mean(SIZE)
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
