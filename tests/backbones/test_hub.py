"""Backbones of keras-hub against PyTorch: numbers that PyTorch gave, and PyTorch itself where it is installed.

Weights are a formula, read from a file as `torch.save` writes it; sizes are small, widths are the real ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest

from deepfake_tf import plugins
from deepfake_tf.backbones import _hub
from deepfake_tf.errors import AssetError, ConfigError
from tests.backbones.formula import Shapes, formula_state

pytest.importorskip("keras_hub", reason="keras-hub is not installed (the extra `hub`)")

IMAGENET = (_hub.IMAGENET_MEAN, _hub.IMAGENET_DEVIATION)
CLIP = (_hub.CLIP_MEAN, _hub.CLIP_DEVIATION)
SIZE = 64


def linear(shapes: Shapes, name: str, width_in: int, width: int) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (width, width_in), (width,)


def norm(shapes: Shapes, name: str, width: int) -> None:
    shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)


def batch_norm(shapes: Shapes, name: str, width: int) -> None:
    for what in ("weight", "bias", "running_mean", "running_var"):
        shapes[f"{name}.{what}"] = (width,)


def resnet_shapes(num_blocks: int, bottleneck: bool) -> Shapes:
    """Two stacks of the given number of blocks."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7)}
    batch_norm(shapes, "bn1", 64)
    width_in = 64
    for stack, width in enumerate((64, 128)):
        for number in range(num_blocks):
            name, out = f"layer{stack + 1}.{number}", width * (4 if bottleneck else 1)
            widths = [width_in, width, width, out] if bottleneck else [width_in, width, out]
            sizes = [1, 3, 1] if bottleneck else [3, 3]
            for conv, size in enumerate(sizes):
                shapes[f"{name}.conv{conv + 1}.weight"] = (widths[conv + 1], widths[conv], size, size)
                batch_norm(shapes, f"{name}.bn{conv + 1}", widths[conv + 1])
            if number == 0 and (stack or bottleneck):
                shapes[f"{name}.downsample.0.weight"] = (out, width_in, 1, 1)
                batch_norm(shapes, f"{name}.downsample.1", out)
            width_in = out
    return shapes


def vit_shapes(patch_size: int, width: int, scaled: bool) -> Shapes:
    """Two blocks, over as many patches as there are in 4 patches squared."""
    shapes: Shapes = {"cls_token": (1, 1, width), "pos_embed": (1, 17, width)}
    if scaled:
        shapes["mask_token"] = (1, width)
    shapes["patch_embed.proj.weight"] = (width, 3, patch_size, patch_size)
    shapes["patch_embed.proj.bias"] = (width,)
    for number in range(2):
        name = f"blocks.{number}"
        norm(shapes, f"{name}.norm1", width)
        norm(shapes, f"{name}.norm2", width)
        linear(shapes, f"{name}.attn.qkv", width, 3 * width)
        linear(shapes, f"{name}.attn.proj", width, width)
        linear(shapes, f"{name}.mlp.fc1", width, 4 * width)
        linear(shapes, f"{name}.mlp.fc2", 4 * width, width)
        if scaled:
            shapes[f"{name}.ls1.gamma"] = shapes[f"{name}.ls2.gamma"] = (width,)
    norm(shapes, "norm", width)
    return shapes


def clip_shapes(patch_size: int, width: int) -> Shapes:
    """Two blocks, over 4 patches squared."""
    shapes: Shapes = {
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, patch_size, patch_size),
        "vision_model.embeddings.position_embedding.weight": (17, width),
    }
    norm(shapes, "vision_model.pre_layrnorm", width)
    for number in range(2):
        name = f"vision_model.encoder.layers.{number}"
        norm(shapes, f"{name}.layer_norm1", width)
        norm(shapes, f"{name}.layer_norm2", width)
        for one in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(shapes, f"{name}.self_attn.{one}", width, width)
        linear(shapes, f"{name}.mlp.fc1", width, 4 * width)
        linear(shapes, f"{name}.mlp.fc2", 4 * width, width)
    norm(shapes, "vision_model.post_layernorm", width)
    return shapes


@dataclass(frozen=True)
class Case:
    """A network, its weights, and what PyTorch made of the picture in float64.

    Attributes:
        shapes: of the state_dict.
        settings: of `build`.
        colours: mean and deviation of its preprocessing.
        input_size: what it is given after resizing.
        torch: name in tests/torch_networks.py, and its arguments.
        first: the first four features.
        total: the sum of their absolute values.
    """

    shapes: Callable[[], Shapes]
    settings: dict[str, Any]
    colours: tuple[tuple[float, ...], tuple[float, ...]]
    input_size: int
    torch: tuple[str, tuple[Any, ...], dict[str, Any]]
    first: tuple[float, ...]
    total: float


def vit_case(name: str, patch_size: int, width: int, num_heads: int, first: tuple[float, ...], total: float) -> Case:
    size, settings = (2, width, num_heads), {"num_blocks": 2, "input_size": 4 * patch_size}
    if name == "clip":
        torch_network = ("CLIPTower", (4 * patch_size, patch_size, size), {})
        shapes = partial(clip_shapes, patch_size, width)
    else:
        torch_network = ("ViT", (4 * patch_size, patch_size, size), {"scaled": name == "dinov2"})
        shapes = partial(vit_shapes, patch_size, width, name == "dinov2")
    colours = CLIP if name == "clip" else IMAGENET
    return Case(shapes, settings, colours, 4 * patch_size, torch_network, first, total)


CASES = {
    "resnet18": Case(
        partial(resnet_shapes, 2, False),
        {"num_blocks": [2, 2]},
        IMAGENET,
        SIZE,
        ("ResNet", ((2, 2), False), {}),
        (0.00035197311, 0.01510452, 2.8454044, 1.4947157),
        141.51088,
    ),
    "dino_resnet50": Case(
        partial(resnet_shapes, 2, True),
        {"num_blocks": [2, 2]},
        IMAGENET,
        SIZE,
        ("ResNet", ((2, 2), True), {}),
        (0.54481988, 0.24473428, 0.0, 0.003275486),
        297.30605,
    ),
    "dino_vit_b16": vit_case("dino", 16, 768, 12, (1.006743, 1.8631288, 0.69430761, -0.44638251), 627.47947),
    "dinov2_vit_s14": vit_case("dinov2", 14, 384, 6, (0.98961578, -1.3266592, 1.3648246, -0.75776951), 311.40323),
    "dinov2_vit_b14": vit_case("dinov2", 14, 768, 12, (-0.22026109, 0.72197264, 1.9316715, 1.3902964), 618.58097),
    "dinov2_vit_l14": vit_case("dinov2", 14, 1024, 16, (-0.59637339, -0.78403854, 0.42794311, -0.36931553), 854.83963),
    "clip_vit_b16": vit_case("clip", 16, 768, 12, (1.8579002, 1.4750244, 1.0499046, 0.88444144), 642.75554),
    "clip_vit_l14": vit_case("clip", 14, 1024, 16, (0.98344852, -0.17739035, 0.68630676, 1.2366313), 846.98346),
}


def picture(size: int) -> np.ndarray:
    """[1, size, size, 3] in [0, 255]."""
    return (127.5 + 127.5 * np.sin(0.01 * np.arange(3 * size * size))).reshape(1, size, size, 3).astype("float32")


def build(name: str, **more) -> keras.Model:
    case = CASES[name]
    return plugins.load("backbones", name).build(case.input_size, **{**case.settings, **more})


def filled(name: str, tmp_path, write_torch_file) -> keras.Model:
    path = tmp_path / "weights.pth"
    write_torch_file(path, formula_state(CASES[name].shapes()))
    return build(name, weights=str(path))


@pytest.mark.parametrize("name", CASES)
def test_features_are_those_that_pytorch_gave(name, tmp_path, write_torch_file):
    case = CASES[name]
    features = np.asarray(filled(name, tmp_path, write_torch_file)(picture(case.input_size), training=False))[0]
    np.testing.assert_allclose(features[:4], case.first, atol=1e-5, rtol=1e-5)
    assert np.abs(features).sum(dtype="float64") == pytest.approx(case.total, rel=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_features_are_those_of_pytorch(name, tmp_path, write_torch_file):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so only its numbers of once are compared")
    from tests import torch_networks

    case = CASES[name]
    kind, arguments, options = case.torch
    network = getattr(torch_networks, kind)(*arguments, **options).double().eval()
    state = formula_state(case.shapes())
    missing, surplus = network.load_state_dict({key: torch.tensor(value) for key, value in state.items()}, strict=False)
    assert not surplus
    assert all(key.endswith("num_batches_tracked") for key in missing)
    mean, deviation = (np.array(one) for one in case.colours)
    scaled = (picture(case.input_size).astype("float64") / 255 - mean) / deviation
    with torch.no_grad():
        expected = network(torch.tensor(scaled).permute(0, 3, 1, 2)).numpy()[0]
    given = np.asarray(filled(name, tmp_path, write_torch_file)(picture(case.input_size), training=False))[0]
    np.testing.assert_allclose(given, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", ["clip_vit_b16", "dinov2_vit_b14", "dino_vit_b16"])
def test_positions_are_interpolated_to_another_size(name, tmp_path, write_torch_file):
    model = filled(name, tmp_path, write_torch_file)
    larger = build(name, input_size=2 * CASES[name].input_size, weights=str(tmp_path / "weights.pth"))
    assert larger.output_shape == model.output_shape
    # The picture is enlarged inside, so that not much changes.
    one, other = (np.asarray(one(picture(CASES[name].input_size), training=False))[0] for one in (model, larger))
    assert 0.5 < np.corrcoef(one, other)[0, 1] < 1


def test_interpolated_positions_keep_the_middle_and_the_class():
    positions = np.concatenate([[[7.0]], np.arange(9.0).reshape(9, 1)])
    larger = _hub.interpolate_positions(positions, 26)
    assert larger.shape == (26, 1)
    assert larger[0] == 7
    assert larger[13] == pytest.approx(4, abs=1e-5)
    np.testing.assert_array_equal(_hub.interpolate_positions(positions, 10), positions)


@pytest.mark.parametrize(("name", "kind"), [("resnet18", "ResNetBackbone"), ("dinov2_vit_s14", "DINOV2Backbone")])
def test_a_folder_of_a_preset_gives_its_weights(name, kind, tmp_path, write_torch_file):
    model = filled(name, tmp_path, write_torch_file)
    inner = next(layer for layer in model.layers if type(layer).__name__ == kind)
    inner.save_to_preset(str(tmp_path / "preset"))
    again = build(name, weights=str(tmp_path / "preset"))
    pixels = picture(CASES[name].input_size)
    np.testing.assert_allclose(again(pixels, training=False), model(pixels, training=False), atol=1e-6)


def test_a_folder_of_a_clip_preset_gives_the_picture_towers_weights(tmp_path, write_torch_file):
    import keras_hub

    model = filled("clip_vit_b16", tmp_path, write_torch_file)
    tower = next(layer for layer in model.layers if isinstance(layer, keras_hub.models.CLIPVisionEncoder))
    text = keras_hub.models.CLIPTextEncoder(
        vocabulary_size=8, embedding_dim=4, hidden_dim=4, num_layers=1, num_heads=1, intermediate_dim=4
    )
    keras_hub.models.CLIPBackbone(tower, text, projection_dim=4).save_to_preset(str(tmp_path / "preset"))
    again = build("clip_vit_b16", weights=str(tmp_path / "preset"))
    pixels = picture(64)
    np.testing.assert_allclose(again(pixels, training=False), model(pixels, training=False), atol=1e-6)


def test_a_preset_that_cannot_be_fetched_says_how_to_bring_it(monkeypatch):
    import keras_hub

    def no_network(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(keras_hub.models.CLIPBackbone, "from_preset", no_network)
    with pytest.raises(AssetError) as caught:
        build("clip_vit_b16", weights="clip_vit_base_patch16")
    message = str(caught.value)
    assert "keras-hub cannot load 'clip_vit_base_patch16': no route to host" in message
    assert "CLIPBackbone.from_preset('clip_vit_base_patch16').save_to_preset('weights')" in message


def test_a_folder_of_another_network_is_refused(tmp_path, write_torch_file):
    model = filled("resnet18", tmp_path, write_torch_file)
    model.get_layer("resnet18_network").save_to_preset(str(tmp_path / "preset"))
    with pytest.raises(AssetError, match="keras-hub cannot load"):
        build("dinov2_vit_s14", weights=str(tmp_path / "preset"))
    with pytest.raises(AssetError, match="weights of another network than resnet18_network"):
        build("resnet18", num_blocks=[1, 1], weights=str(tmp_path / "preset"))


def test_blocks_that_are_not_kept_are_left_over(tmp_path, write_torch_file):
    write_torch_file(tmp_path / "weights.pth", formula_state(CASES["clip_vit_b16"].shapes()))
    one = build("clip_vit_b16", num_blocks=1, weights=str(tmp_path / "weights.pth"))
    two = build("clip_vit_b16", weights=str(tmp_path / "weights.pth"))
    assert one.count_params() < two.count_params()


@pytest.mark.parametrize(("size", "new_size"), [(40, 56), (56, 40), (96, 32), (32, 32)])
def test_resizing_is_bicubic(size, new_size):
    coarse = np.random.default_rng(0).uniform(0, 255, [2, size // 8, size // 8, 3])
    pixels = coarse.repeat(8, axis=1).repeat(8, axis=2).astype("float32")
    expected = keras.ops.image.resize(pixels, (new_size, new_size), interpolation="bicubic", antialias=True)
    resized = np.asarray(_hub.BicubicResize(new_size)(pixels))
    np.testing.assert_allclose(resized, expected, atol=0.01)
    assert np.abs(resized[0, 0] - expected[0, -1]).max() > 1


def test_a_frame_that_cannot_be_cut_into_patches_is_refused():
    with pytest.raises(ConfigError, match="input_size must be a multiple of 14. Received: input_size=30"):
        build("dinov2_vit_s14", input_size=30)
