import json

import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.probing.probe_settings import ProbeSearch, ProbeSettings, load_transform


def test_settings_live_on_as_json():
    settings = ProbeSettings(
        "small_cnn", {"channels": [4]}, "blur+colour", "pca:8", "svm_rbf", classifier_settings={"C": 1.0}, seed=3
    )
    assert ProbeSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "smal_cnn"}, "Did you mean 'small_cnn'"),
        ({"transform": "blur+colur"}, "Unknown transform 'colur'"),
        ({"reduction": "pca:x"}, "pca:16"),
        ({"classifier": "svm"}, "Unknown name 'svm' in classifiers"),
    ],
)
def test_unknown_parts_are_refused_in_words(change, message):
    with pytest.raises(ConfigError, match=message):
        ProbeSettings(**({"backbone": "small_cnn"} | change))
    plural = {f"{name}s": (value,) for name, value in change.items()}
    with pytest.raises(ConfigError, match=message):
        ProbeSearch(**plural)


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError, match="head"):
        ProbeSettings.from_json({"backbone": "small_cnn", "head": "lstm"})


def test_a_table_has_every_cell_once():
    search = ProbeSearch(
        backbones=("small_cnn", "resnet50"),
        transforms=("none", "blur"),
        reductions=("none", "pca:4"),
        classifiers=("lda", "knn", "svm_rbf"),
        backbone_settings={"small_cnn": {"channels": [4]}},
    )
    cells = search.cells()
    assert len({(cell.backbone, cell.transform, cell.reduction, cell.classifier) for cell in cells}) == 24
    assert {str(cell.backbone_settings) for cell in cells if cell.backbone == "small_cnn"} == {"{'channels': [4]}"}
    assert {str(cell.backbone_settings) for cell in cells if cell.backbone == "resnet50"} == {"{}"}


@pytest.mark.parametrize(
    "change",
    [
        {"classifiers": ()},
        {"reductions": ("pca", "pca")},
        {"num_folds": 1},
        {"seed": -1},
        {"backbone_settings": {"resnet50": {}}},
    ],
)
def test_tables_that_make_no_sense_are_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        ProbeSearch(**change)


def test_an_op_by_itself_always_happens_and_a_recipe_is_as_it_is():
    blur, colour = load_transform("blur+colour")
    assert (blur.probability, colour.probability) == (1.0, 1.0)
    assert load_transform("none") == ()
    assert [op.probability for op in load_transform("basic")] != [1.0] * 3
