"""PyTorch's files of weights, read without PyTorch."""

import pickle
import zipfile

import numpy as np
import pytest

from deepfake_tf.backbones import _torch_files
from deepfake_tf.errors import AssetError
from tests.backbones.conftest import Tensor

STATE = {
    "a.weight": np.arange(6, dtype="float32").reshape(2, 3),
    "a.bias": np.array([0.5, -1.0]),
    "half": np.array([1.5, -2.25], "float16"),
    "count": np.array(7, "int64"),
}


@pytest.fixture(params=["zip", "old"])
def write(request, write_torch_file, write_old_torch_file):
    return {"zip": write_torch_file, "old": write_old_torch_file}[request.param]


def test_a_state_dict_is_read(tmp_path, write):
    write(tmp_path / "a.pth", STATE)
    read = _torch_files.read_state_dict(tmp_path / "a.pth")
    assert list(read) == list(STATE)
    for name, value in STATE.items():
        np.testing.assert_array_equal(read[name], value)
    assert read["half"].dtype == "float32"
    assert read["count"].shape == ()


@pytest.mark.parametrize("is_zip", [True, False])
def test_what_pytorch_wrote_is_read(is_zip, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    whole = torch.arange(24.0).reshape(4, 6)
    state = {"whole": whole, "turned": whole.T, "part": whole[1:3, 2:], "parameter": torch.nn.Parameter(whole[0])}
    path = tmp_path / "a.pt"
    torch.save({"epoch": 3, "state_dict": state}, path, _use_new_zipfile_serialization=is_zip)
    read = _torch_files.read_state_dict(path)
    for name, value in state.items():
        np.testing.assert_array_equal(read[name], value.detach().numpy())


@pytest.mark.parametrize("key", ["state_dict", "model", "teacher"])
def test_a_checkpoint_that_holds_a_state_dict_is_read(key, tmp_path, write):
    write(tmp_path / "a.pth", STATE, wrap=lambda tensors: {"epoch": 3, key: tensors})
    assert list(_torch_files.read_state_dict(tmp_path / "a.pth")) == list(STATE)


class Harmful:
    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_file_that_would_run_code_is_refused(tmp_path):
    harm = tmp_path / "harm"
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": Harmful(harm)}))
    with pytest.raises(AssetError, match=r"holds more than tensors \(it names .*open\)"):
        _torch_files.read_state_dict(tmp_path / "a.pth")
    assert not harm.exists()


def test_an_old_file_that_would_run_code_is_refused(tmp_path, write_old_torch_file):
    harm = tmp_path / "harm"
    write_old_torch_file(tmp_path / "a.pth", STATE, wrap=lambda tensors: tensors | {"harm": Harmful(harm)})
    with pytest.raises(AssetError, match=r"holds more than tensors \(it names .*open\)"):
        _torch_files.read_state_dict(tmp_path / "a.pth")
    assert not harm.exists()


@pytest.mark.parametrize(("numbers", "shape", "offset"), [(4, (3, 3), 0), (0, (), 0), (4, (2,), -2), (4, (1,), 4)])
def test_a_tensor_beyond_its_storage_is_refused(numbers, shape, offset, tmp_path, write):
    def wrap(tensors):
        return {"a": Tensor(tensors["a"].storage, shape, offset)}

    write(tmp_path / "a.pth", {"a": np.zeros(numbers, "float32")}, wrap=wrap)
    with pytest.raises(AssetError, match="reaches beyond its storage"):
        _torch_files.read_state_dict(tmp_path / "a.pth")


def test_an_old_file_that_ends_too_early_is_refused(tmp_path, write_old_torch_file):
    path = tmp_path / "a.pth"
    write_old_torch_file(path, STATE)
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(AssetError, match="is damaged"):
            _torch_files.read_state_dict(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x02K\x07.", b"PK\x03\x04"])
def test_a_file_of_another_kind_is_refused(content, tmp_path):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(AssetError, match=r"is no file of PyTorch's, .*save the network's state_dict\(\) alone"):
        _torch_files.read_state_dict(tmp_path / "a.pth")


def test_something_else_than_tensors_by_name_is_refused(tmp_path, write_torch_file):
    write_torch_file(tmp_path / "a.pth", STATE, wrap=lambda tensors: list(tensors.values()))
    with pytest.raises(AssetError, match="not a state_dict: expected tensors by name, received list"):
        _torch_files.read_state_dict(tmp_path / "a.pth")
