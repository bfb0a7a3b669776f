"""Versions with labels at the embedded model server, as with models-canary.config at the real one."""

import types

import grpc
import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.protos import wire_pb2
from serving import model_server
from serving.model_server import Api, ServedModel, VersionState
from serving.predict_request import RefusedError


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A folder of three versions; one loads unless its folder says that it does not."""
    for number in (1, 2, 3):
        (tmp_path / str(number)).mkdir()

    def load(self, version, path):
        if (path / "broken").exists():
            self.states[version] = VersionState("END", "broken")
        else:
            self.loaded[version] = types.SimpleNamespace(path=path)
            self.states[version] = VersionState("AVAILABLE")

    monkeypatch.setattr(ServedModel, "_load", load)
    return tmp_path


def spec_of(**fields):
    request = wire_pb2.PredictRequest()
    request.model_spec.name = "detector"
    if "version" in fields:
        request.model_spec.version.value = fields["version"]
    if "label" in fields:
        request.model_spec.version_label = fields["label"]
    return request


def test_labelled_versions_are_served_and_no_others(base):
    model = ServedModel("detector", base, {"stable": 1, "canary": 2})
    model.poll()
    assert sorted(model.loaded) == [1, 2]
    api = Api(model)
    assert api._find(spec_of(label="stable"))[0] == 1
    assert api._find(spec_of(label="canary"))[0] == 2
    assert api._find(spec_of())[0] == 2
    with pytest.raises(RefusedError, match="Unrecognized servable version label: other") as caught:
        api._find(spec_of(label="other"))
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(RefusedError, match=r"Specific\(detector, 3\)"):
        api._find(spec_of(version=3))


def test_a_canary_that_cannot_be_loaded_leaves_stable_alone(base):
    (base / "2" / "broken").touch()
    model = ServedModel("detector", base, {"stable": 1, "canary": 2})
    model.poll()
    assert Api(model)._find(spec_of(label="stable"))[0] == 1
    with pytest.raises(RefusedError, match=r"Servable not found for request: Specific\(detector, 2\)") as caught:
        Api(model)._find(spec_of(label="canary"))
    assert caught.value.code == grpc.StatusCode.NOT_FOUND


def test_without_labels_the_newest_is_served_and_the_old_one_stays_until_it_loads(base):
    model = ServedModel("detector", base)
    model.poll()
    assert sorted(model.loaded) == [3]
    (base / "4").mkdir()
    (base / "4" / "broken").touch()
    model.poll()
    assert sorted(model.loaded) == [3]
    (base / "5").mkdir()
    model.poll()
    assert sorted(model.loaded) == [5]
    with pytest.raises(RefusedError, match="Unrecognized servable version label: stable"):
        Api(model)._find(spec_of(label="stable"))


@pytest.mark.parametrize("text", ["stable", "=1", "stable=", "stable=x", "a b=1"])
def test_a_label_is_a_name_and_a_version(text, capsys):
    with pytest.raises(SystemExit):
        model_server.main(["--model-base-path", "x", "--label", text])
    assert "such as canary=2" in capsys.readouterr().err


def test_a_label_is_for_a_version_that_is_there(base, monkeypatch):
    monkeypatch.setattr(model_server, "_stop_on_signals", lambda: None)
    arguments = types.SimpleNamespace(
        host="127.0.0.1", port=0, model_base_path=base, model_name="detector", label=[("stable", 9)], poll_sec=1
    )
    with pytest.raises(ConfigError, match="has no version 9 to give a label to"):
        model_server._serve(arguments)
