import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.generalising import ingredients
from deepfake_tf.generalising.ingredients import BASE, INGREDIENTS, Recipe


@pytest.mark.parametrize("name", INGREDIENTS)
def test_an_ingredient_changes_one_thing(name):
    # From nothing crops are small anyway.
    recipe = ingredients.with_backbone(Recipe(), "xception", "imagenet") if name == "small" else Recipe()
    changed = ingredients.find(name).added_to(recipe)
    before, after = recipe.to_json(), changed.to_json()
    assert (before == after) == (name == BASE)
    # It can be written down and read again.
    assert Recipe.from_json(after) == changed


def test_a_network_can_start_from_weights():
    plain = ingredients.with_backbone(Recipe(), "efficientnet_b0", "none").train
    assert (plain.backbone, plain.backbone_settings, plain.backbone_rate) == ("efficientnet_b0", {}, 1.0)
    started = ingredients.with_backbone(Recipe(), "efficientnet_b0", "imagenet").train
    assert started.backbone_settings == {"weights": "imagenet"}
    assert started.backbone_rate < 1


def kinds(recipe):
    return recipe.swapped, recipe.reconstructed, recipe.train.blended_share


@pytest.mark.parametrize("weights", ["none", "imagenet"])
def test_a_third_of_the_fakes_is_of_each_kind(weights):
    started = ingredients.with_backbone(Recipe(), "efficientnet_b0", weights)
    assert kinds(started) == (True, True, 1 / 3)
    # Whatever there was before: an ingredient is what its words say.
    assert kinds(ingredients.find("swapped").added_to(started)) == (True, False, 0.5)
    assert kinds(ingredients.find("reconstructed").added_to(started)) == (False, True, 0.5)
    assert kinds(ingredients.find("real_fakes").added_to(started)) == (False, False, 0.5)
    without = ingredients.find("self_blended").added_to(started)
    assert kinds(without) == (False, False, 1.0)
    assert without.train.backbone_rate == started.train.backbone_rate


def test_from_weights_crops_are_larger_unless_small_ones_are_asked_for():
    plain = ingredients.with_backbone(Recipe(), "efficientnet_b0", "none")
    started = ingredients.with_backbone(Recipe(), "efficientnet_b0", "imagenet")
    assert started.spec.crop_size_px > plain.spec.crop_size_px
    assert ingredients.find("large").added_to(started) == started
    assert ingredients.find("small").added_to(started).spec == plain.spec


def test_an_ingredient_keeps_what_the_network_starts_from():
    started = ingredients.with_backbone(Recipe(), "efficientnet_b0", "imagenet")
    frozen = ingredients.find("frozen").added_to(started).train
    assert frozen.backbone_settings == {"weights": "imagenet", "trainable": "none"}
    nothing = ingredients.find("from_nothing").added_to(started).train
    assert (nothing.backbone_settings, nothing.backbone_rate) == ({"weights": "none"}, 1.0)
    other = ingredients.find("small_cnn").added_to(started).train
    assert (set(other.backbone_settings), other.backbone_rate) == ({"channels"}, 1.0)


def test_what_is_not_there_is_an_error_in_words():
    with pytest.raises(ConfigError, match="no ingredient 'salt'. There are: base, "):
        ingredients.find("salt")
    with pytest.raises(ConfigError, match="photographs, videos or both"):
        Recipe(photographs=False, videos=False)
