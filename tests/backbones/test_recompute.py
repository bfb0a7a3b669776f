"""A step that forgets and computes again is the step that does not; precision changes the training alone."""

import keras
import numpy as np
import pytest

from deepfake_tf import plugins
from deepfake_tf.backbones import _recompute
from deepfake_tf.learning.settings import ModelSettings
from deepfake_tf.model import build_model, recompute_blocks

SIZE = 64
SETTINGS = {
    "coatnet0": {"depths": [1, 1, 1, 1, 1], "channels": [4, 4, 8, 8, 12]},
    # These draw dropout inside of blocks.
    "small_cnn": {"channels": [4, 8], "dropout": 0.5},
    "meso_inception_4": {"dropout": 0.5},
    # Their blocks lie in a network inside of the backbone, or in a layer.
    "resnet18": {"num_blocks": [1, 1]},
    "clip_vit_b16": {"num_blocks": 2, "input_size": 32},
    "dino_vit_b16": {"num_blocks": 2, "input_size": 32},
}


def settings_of(backbone: str) -> ModelSettings:
    names = backbone.split("+")
    if any(name[:4] in ("resn", "clip", "dino") for name in names):
        pytest.importorskip("keras_hub", reason="keras-hub is not installed (the extra `hub`)")
    chosen = {name: SETTINGS[name] for name in names}
    return ModelSettings(backbone, "mean", 2, SIZE, backbone_settings=chosen if len(names) > 1 else chosen[backbone])


def clips(num_clips: int = 3) -> dict[str, np.ndarray]:
    pixels = np.random.default_rng(0).uniform(0, 255, [num_clips, 2, SIZE, SIZE, 3])
    return {"clips": pixels.astype("float32"), "mask": np.ones([num_clips, 2], bool)}


def weights_after_steps(settings: ModelSettings, recompute: bool, jit: bool = False) -> list[tuple[str, np.ndarray]]:
    keras.utils.set_random_seed(0)
    model = build_model(settings)
    trainer = recompute_blocks(model, settings) if recompute else model
    trainer.compile(optimizer=keras.optimizers.SGD(1e-3), loss="mse", jit_compile=jit)
    trainer.fit(clips(), np.ones([3]), batch_size=3, epochs=2, verbose=0)
    return [(one.path, keras.ops.convert_to_numpy(one)) for one in model.variables]


@pytest.mark.parametrize(
    "backbone",
    [
        *("small_cnn", "resnet18"),
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in ("coatnet0", "clip_vit_b16", "small_cnn+meso_inception_4")
        ),
    ],
)
def test_recomputing_gives_the_same_weights_statistics_and_seeds(backbone):
    settings = settings_of(backbone)
    plain, again = weights_after_steps(settings, False), weights_after_steps(settings, True)
    for (name, expected), (_, value) in zip(plain, again, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["small_cnn"])
def test_xla_runs_a_step_and_recomputes_in_it(backbone):
    settings = settings_of(backbone)
    compiled, again = (weights_after_steps(settings, recompute, jit=True) for recompute in (False, True))
    for (name, expected), (_, value) in zip(compiled, again, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("backbone", "num_parts"), [("coatnet0", 5), ("small_cnn", 2), ("clip_vit_b16", 2)])
def test_a_backbone_is_cut_at_its_blocks(backbone, num_parts):
    settings = settings_of(backbone)
    model = plugins.load("backbones", backbone).build(SIZE, **settings.backbone_settings)
    cut = _recompute.by_blocks(model, plugins.load("backbones", backbone).BLOCK)
    inner = [layer for outer in cut.layers for layer in getattr(outer, "layers", [outer])]
    assert sum(isinstance(layer, _recompute.Recomputed) for layer in inner) == num_parts


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("backbone", ["coatnet0", "small_cnn", "clip_vit_b16"])
def test_the_backbone_calculates_in_the_precision_asked_for(backbone, precision):
    settings = settings_of(backbone)
    keras.utils.set_random_seed(0)
    model = build_model(settings, precision=precision)
    assert keras.config.dtype_policy().name == "float32"
    inner = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    assert inner.compute_dtype == precision.removeprefix("mixed_")
    assert all(one.dtype in ("float32", "uint32", "int32", "int64") for one in model.variables)
    logit = model(clips(), training=False)
    assert logit.dtype == "float32"
    keras.utils.set_random_seed(0)
    np.testing.assert_allclose(logit, build_model(settings)(clips(), training=False), atol=0.1)
