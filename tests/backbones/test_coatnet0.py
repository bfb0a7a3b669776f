"""CoAtNet against numbers of the original network, computed by PyTorch in float64 from weights that are a formula."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest

from deepfake_tf import zoo
from deepfake_tf.backbones import coatnet0, coatnet2
from deepfake_tf.errors import AssetError, ConfigError
from tests.backbones.formula import formula_state

REFERENCE = Path(__file__).parent.parent.parent.parent / "shared" / "reference"
TOLERANCE = 1e-5

# For each stage the mean and the unbiased deviation; the first five logits; the sum of all 1000.
EXPECTED = {
    "coatnet0": (
        (0.0007925650, 0.0001731831, 0.0004301916, -0.0006070091, 0.0046300999),
        (0.0157206732, 0.0997095748, 0.2791609764, 1.1485947107, 1.3681330065),
        (1.31680634, -0.74164161, -1.54452822, 0.26739249, 1.62663139),
        0.44391200,
    ),
    "coatnet2": (
        (0.0009634213, -0.0001103860, -0.0002465147, -0.0054211209, 0.0020464507),
        (0.0233218616, 0.1277661451, 0.2777145110, 3.0143873932, 1.4395566272),
        (1.46921652, -1.73646399, 1.55715477, -0.97740082, 0.14629420),
        1.49545982,
    ),
}
NUM_PARAMETERS = {"coatnet0": (17_789_624, 13_312), "coatnet2": (55_767_564, 34_048)}
GIGA_MACS = {"coatnet0": 3.395, "coatnet2": 13.053}
# The same networks with one logit, and what the articles' counting tool makes of the first: it misses the bias tables.
ARTICLE_COUNT, BIAS_TABLES = 17_757_760, 5 * 729 * 8 + 2 * 169 * 8


def original_shapes(depths, channels) -> dict[str, tuple[int, ...]]:
    """The original's parameters in its own order, and the running statistics of its batch normalisations."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name, width):
        shapes.update({f"{name}.weight": (width,), f"{name}.bias": (width,)})

    width_in = 3
    for number in range(depths[0]):
        shapes[f"s0.{number}.0.weight"] = (channels[0], width_in, 3, 3)
        norm(f"s0.{number}.1", channels[0])
        width_in = channels[0]
    for stage in range(1, 5):
        for number in range(depths[stage]):
            name, width = f"s{stage}.{number}", channels[stage]
            if number == 0:
                shapes[f"{name}.proj.weight"] = (width, width_in, 1, 1)
            add = mbconv_shapes if stage < 3 else attention_shapes
            add(shapes, norm, name, width_in, width, 224 >> (stage + 1))
            width_in = width
    shapes["fc.weight"] = (1000, width_in)
    return shapes


def mbconv_shapes(shapes, norm, name, width_in, width, side):
    inner = 4 * width_in
    norm(f"{name}.conv.norm", width_in)
    shapes[f"{name}.conv.fn.0.weight"] = (inner, width_in, 1, 1)
    norm(f"{name}.conv.fn.1", inner)
    shapes[f"{name}.conv.fn.3.weight"] = (inner, 1, 3, 3)
    norm(f"{name}.conv.fn.4", inner)
    shapes[f"{name}.conv.fn.6.fc.0.weight"] = (width_in // 4, inner)
    shapes[f"{name}.conv.fn.6.fc.2.weight"] = (inner, width_in // 4)
    shapes[f"{name}.conv.fn.7.weight"] = (width, inner, 1, 1)
    norm(f"{name}.conv.fn.8", width)


def attention_shapes(shapes, norm, name, width_in, width, side):
    norm(f"{name}.attn.1.norm", width_in)
    shapes[f"{name}.attn.1.fn.relative_bias_table"] = ((2 * side - 1) ** 2, 8)
    shapes[f"{name}.attn.1.fn.to_qkv.weight"] = (768, width_in)
    shapes[f"{name}.attn.1.fn.to_out.0.weight"] = (width, 256)
    shapes[f"{name}.attn.1.fn.to_out.0.bias"] = (width,)
    norm(f"{name}.ff.1.norm", width)
    shapes[f"{name}.ff.1.fn.net.0.weight"] = (4 * width_in, width)
    shapes[f"{name}.ff.1.fn.net.0.bias"] = (4 * width_in,)
    shapes[f"{name}.ff.1.fn.net.3.weight"] = (width, 4 * width_in)
    shapes[f"{name}.ff.1.fn.net.3.bias"] = (width,)


def with_fresh_statistics(state) -> dict[str, np.ndarray]:
    """Adds what a batch normalisation of PyTorch also saves: mean 0, variance 1."""
    batch_norms = [
        name.removesuffix(".weight")
        for name, value in state.items()
        if value.ndim == 1 and name.endswith("weight") and ".attn." not in name and ".ff." not in name
    ]
    full = dict(state)
    for name in batch_norms:
        full[f"{name}.running_mean"] = np.zeros_like(state[f"{name}.weight"])
        full[f"{name}.running_var"] = np.ones_like(state[f"{name}.weight"])
        full[f"{name}.num_batches_tracked"] = np.asarray(0)
    return full


def picture() -> np.ndarray:
    """What the original's numbers were computed on, [1, 224, 224, 3]; it goes in after the scaling."""
    return np.sin(0.01 * np.arange(3 * 224 * 224)).reshape(1, 3, 224, 224).transpose(0, 2, 3, 1).astype("float32")


@pytest.fixture(scope="module", params=[coatnet0, coatnet2], ids=["coatnet0", "coatnet2"])
def built(request):
    module = request.param
    model = module.build(224, num_classes=1000)
    coatnet0.assign_torch(model, with_fresh_statistics(formula_state(original_shapes(module.DEPTHS, module.CHANNELS))))
    ends = [f"s{stage}_{depth - 1}_{'gelu' if stage == 0 else 'add'}" for stage, depth in enumerate(module.DEPTHS)]
    inner = keras.Model(model.get_layer("scale").output, [*(model.get_layer(end).output for end in ends), model.output])
    *stages, logits = [keras.ops.convert_to_numpy(one) for one in inner(picture(), training=False)]
    return module.__name__.rpartition(".")[2], model, stages, logits


def test_has_as_many_parameters_as_the_original(built):
    name, model, _, _ = built
    trainable, fixed = NUM_PARAMETERS[name]
    assert sum(math.prod(variable.shape) for variable in model.trainable_variables) == trainable
    assert model.count_params() == trainable + fixed


def test_is_as_much_work_as_the_original(built):
    name, model, _, _ = built
    # As PyTorch's counters have it, classes included.
    assert zoo.count_macs(model) / 1e9 == pytest.approx(GIGA_MACS[name], abs=5e-4)


def test_the_articles_number_is_the_one_without_bias_tables():
    assert NUM_PARAMETERS["coatnet0"][0] - BIAS_TABLES == ARTICLE_COUNT


def test_stages_and_logits_are_the_originals(built):
    name, _, stages, logits = built
    means, deviations, first_logits, sum_of_logits = EXPECTED[name]
    for stage, mean, deviation in zip(stages, means, deviations, strict=True):
        assert stage.mean(dtype="float64") == pytest.approx(mean, abs=TOLERANCE)
        assert stage.std(ddof=1, dtype="float64") == pytest.approx(deviation, abs=TOLERANCE)
    np.testing.assert_allclose(logits[0, :5], first_logits, atol=TOLERANCE)
    # A thousand of them: their errors add up.
    assert logits.sum(dtype="float64") == pytest.approx(sum_of_logits, abs=1e-4)


def test_every_channel_and_every_logit_is_the_originals(built):
    name, _, stages, logits = built
    path = REFERENCE / f"parity_{name}.npz"
    if not path.is_file():
        pytest.skip(f"no reference arrays of the original (looked for {path})")
    with np.load(path) as reference:
        np.testing.assert_allclose(logits, reference["logits"], atol=TOLERANCE)
        for number, stage in enumerate(stages):
            corner = stage[0, :2, :2, :8].transpose(2, 0, 1)
            np.testing.assert_allclose(corner, reference[f"s{number}_corner"], atol=TOLERANCE)
            np.testing.assert_allclose(stage.mean(axis=(0, 1, 2)), reference[f"s{number}_chmean"], atol=TOLERANCE)


@pytest.mark.parametrize("layout", ["CCCC", "CCCT", "CCTT", "CTTT"])
def test_every_layout_gives_features(layout):
    model = coatnet0.build(64, layout=layout, **coatnet0.TINY)
    assert model(np.zeros([2, 64, 64, 3])).shape == (2, 12)
    attention = [layer for layer in model.layers if isinstance(layer, coatnet0.RelativeAttention)]
    assert len(attention) == layout.count("T")


def test_each_pair_of_cells_gets_the_bias_of_its_offset():
    height, width = 3, 2
    rows = np.arange((2 * height - 1) * (2 * width - 1), dtype="float32")
    bias = np.asarray(coatnet0.relative_bias(np.stack([rows, -rows], axis=1), height, width))
    assert bias.shape == (2, 6, 6)
    for i, j in np.ndindex(6, 6):
        (yi, xi), (yj, xj) = divmod(i, width), divmod(j, width)
        row = (yi - yj + height - 1) * (2 * width - 1) + (xi - xj + width - 1)
        np.testing.assert_array_equal(bias[:, i, j], [row, -row])


def test_weights_of_another_image_size_are_interpolated(tmp_path):
    small = coatnet0.build(64, **coatnet0.TINY)
    for layer in small.layers:
        if isinstance(layer, coatnet0.RelativeAttention):
            rows = np.arange(layer.bias_table.shape[0], dtype="float32")
            layer.bias_table.assign(np.repeat(rows[:, None], 8, axis=1))
    small.save_weights(tmp_path / "small.weights.h5")

    large = coatnet0.build(128, weights=str(tmp_path / "small.weights.h5"), **coatnet0.TINY)
    table = np.asarray(large.get_layer("s3_0_attention").bias_table)
    assert table.shape == (15 * 15, 8)
    square = table[:, 0].reshape(15, 15)
    # Linear in both directions, so it still is inside; the middle is offset 0, which stays what it was: row 24 of 49.
    assert square[7, 7] == pytest.approx(24, abs=1e-4)
    np.testing.assert_allclose(square + square[::-1, ::-1], 48, atol=1e-3)
    assert (np.diff(square, axis=0) > 0).all()
    np.testing.assert_array_equal(large.get_layer("s0_0_conv").kernel, small.get_layer("s0_0_conv").kernel)


def test_missing_and_surplus_weights_are_named():
    model = coatnet0.build(224, num_classes=1000)
    state = with_fresh_statistics(formula_state(original_shapes(coatnet0.DEPTHS, coatnet0.CHANNELS)))
    kernel = state.pop("s1.1.conv.fn.3.weight")
    with pytest.raises(AssetError, match=r"no 's1\.1\.conv\.fn\.3\.weight'"):
        coatnet0.assign_torch(model, state)
    with pytest.raises(AssetError, match=r"1 tensors that this network has not, such as 's1\.2\.conv"):
        coatnet0.assign_torch(model, {**state, "s1.1.conv.fn.3.weight": kernel, "s1.2.conv.fn.3.weight": kernel})
    with pytest.raises(AssetError, match=r"expected shape \(3, 3, 384, 1\), received \(3, 3, 383, 1\)"):
        coatnet0.assign_torch(model, {**state, "s1.1.conv.fn.3.weight": kernel[1:]})


@pytest.mark.parametrize(
    ("size", "settings", "message"),
    [
        (100, {}, "multiple of 32"),
        (32, {}, "64 or more"),
        (224, {"layout": "CCTX"}, "four letters C or T"),
        (224, {"depths": [1, 1]}, "five numbers"),
        (224, {"weights": "imagenet"}, "not there"),
    ],
)
def test_wrong_settings_say_what_is_expected(size, settings, message):
    with pytest.raises(ConfigError, match=message):
        coatnet0.build(size, **{**coatnet0.TINY, **settings})
