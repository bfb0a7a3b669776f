"""Files of weights: PyTorch's, read without PyTorch, and what is no file of weights."""

import pickle
import zipfile

import keras
import numpy as np
import pytest

from deepfake_tf.backbones import _weights, meso_inception_4
from deepfake_tf.errors import AssetError
from tests.backbones.conftest import Storage, Tensor

STATE = {
    "a.weight": np.arange(6, dtype="float32").reshape(2, 3),
    "a.bias": np.array([0.5, -1.0]),
    "half": np.array([1.5, -2.25], "float16"),
    "count": np.array(7, "int64"),
}


def test_a_state_dict_is_read(tmp_path, write_torch_file):
    write_torch_file(tmp_path / "a.pth", STATE)
    read = _weights.read_state_dict(tmp_path / "a.pth")
    assert list(read) == list(STATE)
    for name, value in STATE.items():
        np.testing.assert_array_equal(read[name], value)
    assert read["half"].dtype == "float32"
    assert read["count"].shape == ()


def test_what_pytorch_wrote_is_read(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    whole = torch.arange(24.0).reshape(4, 6)
    state = {"whole": whole, "turned": whole.T, "part": whole[1:3, 2:], "parameter": torch.nn.Parameter(whole[0])}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "a.pt")
    read = _weights.read_state_dict(tmp_path / "a.pt")
    for name, value in state.items():
        np.testing.assert_array_equal(read[name], value.detach().numpy())


@pytest.mark.parametrize("key", ["state_dict", "model", "teacher"])
def test_a_checkpoint_that_holds_a_state_dict_is_read(key, tmp_path, write_torch_file):
    write_torch_file(tmp_path / "a.pth", STATE, wrap=lambda tensors: {"epoch": 3, key: tensors})
    assert list(_weights.read_state_dict(tmp_path / "a.pth")) == list(STATE)


class Harmful:
    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_file_that_would_run_code_is_refused(tmp_path):
    harm = tmp_path / "harm"
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": Harmful(harm)}))
    with pytest.raises(AssetError, match=r"holds more than tensors, or is damaged \(it names .*open\)"):
        _weights.read_state_dict(tmp_path / "a.pth")
    assert not harm.exists()


def test_a_tensor_beyond_its_storage_is_refused(tmp_path, write_torch_file):
    def wrap(tensors):
        return {"a": Tensor(Storage(np.zeros(4, "float32"), "0"), (3, 3))}

    write_torch_file(tmp_path / "a.pth", {"a": np.zeros(4, "float32")}, wrap=wrap)
    with pytest.raises(AssetError, match="reaches beyond its storage"):
        _weights.read_state_dict(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [b"", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"PK\x03\x04"])
def test_a_file_of_another_kind_is_refused(content, tmp_path):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(AssetError, match=r"not in the zip format .* torch\.save\(torch\.load\(OLD"):
        _weights.read_state_dict(tmp_path / "a.pth")


def test_something_else_than_tensors_by_name_is_refused(tmp_path, write_torch_file):
    write_torch_file(tmp_path / "a.pth", STATE, wrap=lambda tensors: list(tensors.values()))
    with pytest.raises(AssetError, match="not a state_dict: expected tensors by name, received list"):
        _weights.read_state_dict(tmp_path / "a.pth")


def test_kernels_change_their_layout():
    layers = [keras.layers.Conv2D(4, 3), keras.layers.DepthwiseConv2D(3), keras.layers.Dense(5, use_bias=False)]
    shapes = [(1, 8, 8, 2), (1, 8, 8, 2), (1, 2)]
    torch_shapes = [(4, 2, 3, 3), (2, 1, 3, 3), (5, 2)]
    for layer, shape, torch_shape in zip(layers, shapes, torch_shapes, strict=True):
        layer.build(shape)
        state = {"x.weight": np.arange(np.prod(torch_shape), dtype="float32").reshape(torch_shape)}
        if len(layer.weights) > 1:
            state["x.bias"] = np.arange(layer.weights[1].shape[0], dtype="float32")
        _weights.TorchState(state).assign(layer, "x")
        kernel = np.asarray(layer.weights[0])
        if len(torch_shape) == 4:
            # Second output channel, first input channel, second row, third column.
            place = (1, 2, 0, 1) if torch_shape[1] == 2 else (1, 2, 1, 0)
            assert kernel[place] == state["x.weight"][1, 0, 1, 2]
        else:
            np.testing.assert_array_equal(kernel, state["x.weight"].T)


def test_names_of_data_parallel_are_understood():
    layer = keras.layers.Dense(1)
    layer.build((None, 1))
    taker = _weights.TorchState({"module.x.weight": np.ones([1, 1]), "module.x.bias": np.zeros([1])})
    taker.assign(layer, "x")
    taker.finish()


def test_a_keras_file_of_another_network_is_refused(tmp_path):
    meso_inception_4.build(64).save_weights(tmp_path / "small.weights.h5")
    with pytest.raises(AssetError, match=r"small\.weights\.h5 does not hold weights of meso_inception_4"):
        meso_inception_4.build(128, weights=str(tmp_path / "small.weights.h5"))
