"""Models for small machines: the files, what runs them, and the table."""

import dataclasses
import functools
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from deepfake_tf import crops, plugins
from deepfake_tf.detector import open_predictor
from deepfake_tf.errors import ConfigError, PredictorUnavailableError, ServableError
from deepfake_tf.predictors import litert as runner
from tests import servables

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return servables.tiny_model()


@pytest.fixture(scope="module")
def examples():
    clips, mask = servables.jpeg_clips(6)
    return [
        (np.stack([crops.decode_jpeg(crop) for crop in clip]), there) for clip, there in zip(clips, mask, strict=True)
    ]


@pytest.fixture(scope="module")
def files(model, examples, tmp_path_factory):
    from deepfake_tf import litert

    folder = tmp_path_factory.mktemp("edge")
    paths = {kind: folder / f"detector-{kind}.tflite" for kind in litert.KINDS}
    made = litert.export_litert(model, servables.SPEC, paths, examples=examples, source={"a": 1})
    assert made == dict.fromkeys(litert.KINDS, True)
    return folder


# An untrained LSTM over noise: what 8 bits change is small, but no law.
@pytest.mark.parametrize(("kind", "tolerance"), [("float32", 1e-5), ("float16", 5e-3), ("int8", 0.05)])
def test_the_file_gives_the_keras_models_logits(files, model, kind, tolerance):
    clips, mask = servables.jpeg_clips(5, seed=7)
    expected = servables.keras_logits(model, clips, mask)
    predictor = open_predictor(files / f"detector-{kind}.tflite")
    got = predictor.predict(clips, mask, spec=predictor.spec())
    predictor.close()
    assert np.abs(got - expected).max() <= tolerance
    # The clips differ by more than the file is off, or the test would say nothing.
    assert np.ptp(expected) > tolerance


def test_the_spec_lies_inside_and_can_be_read_with_unzip(files):
    path = files / "detector-int8.tflite"
    assert open_predictor(path).spec() == servables.SPEC
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("spec.json"))["threshold"] == servables.SPEC.threshold
        assert json.loads(archive.read("source.json"))["kind"] == "int8"


def test_recurrent_layers_are_as_they_were(files, model):
    layer = next(one for one in model.get_layer("lstm").layers if one.name == "lstm")
    assert layer.unroll is False


def test_what_was_made_from_the_same_is_left_and_what_was_not_is_made_anew(
    files, model, examples, tmp_path, monkeypatch
):
    from deepfake_tf import litert

    paths = {"float16": tmp_path / "x.tflite"}
    data = (files / "detector-float16.tflite").read_bytes()
    paths["float16"].write_bytes(data)
    converted = []
    with zipfile.ZipFile(paths["float16"]) as archive:
        flat_buffer = data[: archive.infolist()[0].header_offset]
    monkeypatch.setattr(litert, "convert", lambda saved, kind, examples: converted.append(kind) or flat_buffer)
    make = functools.partial(litert.export_litert, model, servables.SPEC, paths, examples=examples)
    assert make(source={"a": 1}) == {"float16": False}
    assert (converted, paths["float16"].read_bytes()) == ([], data)
    assert make(source={"a": 2}) == {"float16": True}
    assert (converted, len(paths["float16"].read_bytes())) == (["float16"], len(data))
    assert [one.name for one in tmp_path.iterdir()] == ["x.tflite"]


def test_clips_that_do_not_fit_are_refused(files):
    predictor = open_predictor(files / "detector-float32.tflite")
    clips, mask = servables.jpeg_clips(1)
    spec = predictor.spec()
    with pytest.raises(ServableError, match="a crop is no JPEG"):
        predictor.predict([[b"no jpeg"] * 3], mask, spec=spec)
    with pytest.raises(ServableError, match="a crop is no JPEG"):
        predictor.predict([[b""] * 3], mask, spec=spec)
    with pytest.raises(ServableError, match="it takes 3 crops of 32 x 32 px. Received: "):
        predictor.predict([clips[0][:2]], mask, spec=spec)
    with pytest.raises(PredictorUnavailableError, match="Version 9 is not loaded"):
        predictor.predict(clips, mask, spec=dataclasses.replace(spec, model_version=9))


def test_what_is_no_such_file_is_refused(tmp_path):
    path = tmp_path / "x.tflite"
    path.write_bytes(b"TFL3 but not really")
    with pytest.raises(ServableError, match=r"holds no spec.json: it was not made by pipelines.litert"):
        open_predictor(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("spec.json", servables.SPEC.to_text())
    with pytest.raises(ServableError, match="cannot be loaded"):
        open_predictor(path)
    with pytest.raises(ConfigError, match=r"by a .tflite file"):
        open_predictor(tmp_path / "absent.tflite")


def test_a_network_that_cannot_be_converted_is_refused(tmp_path, examples):
    import keras
    import tensorflow as tf

    from deepfake_tf import litert

    shape = examples[0][0].shape
    clips, mask = keras.Input(shape, name="clips"), keras.Input(shape[:1], dtype="bool", name="mask")
    # LiteRT has no Bessel functions.
    layer = keras.layers.Lambda(lambda x: tf.reduce_mean(tf.math.special.bessel_i0(x), (1, 2, 3, 4)), output_shape=())
    strange = keras.Model({"clips": clips, "mask": mask}, layer(clips))
    with pytest.raises(ServableError, match="cannot be converted to float32 for LiteRT"):
        litert.export_litert(strange, servables.SPEC, {"float32": tmp_path / "x.tflite"}, examples=examples)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_makes_litert_crash_is_not_written(files, model, examples, tmp_path, monkeypatch):
    from deepfake_tf import litert

    monkeypatch.setattr(litert, "convert", lambda saved, kind, examples: b"TFL3")
    monkeypatch.setattr(litert, "_RUN_ONE", "import os; os.abort()")
    paths = {"int8": tmp_path / "x.tflite"}
    with pytest.raises(ServableError, match=r"LiteRT cannot run the int8 file of this network \(signal 6\)"):
        litert.export_litert(model, servables.SPEC, paths, examples=examples)
    assert list(tmp_path.iterdir()) == []


def test_no_tensorflow_is_loaded_to_judge(files):
    path = str(files / "detector-int8.tflite")
    code = (
        "import sys; from deepfake_tf.detector import open_predictor; from tests import servables\n"
        f"p = open_predictor({path!r}); p.predict(*servables.jpeg_clips(1), spec=p.spec())\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_litert_the_message_says_what_to_install(monkeypatch, files):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ConfigError, match=r"pip install 'deepfake-tf\[litert\]'"):
        plugins.load("predictors", "litert").open_predictor(files / "detector-float32.tflite")


def test_comparison_is_by_video_and_against_the_first():
    from deepfake_tf.edge import compare

    class Says:
        def __init__(self, *logits):
            self.logits = iter(logits)

        def predict(self, clips, mask, *, spec):
            return [next(self.logits)]

    class Clips:
        """Two clips of each of two videos."""

        video_ids, groups = ("a", "a", "b", "b"), ("a", "a", "b", "b")
        labels = track_ids = np.zeros(4, np.int64)

        def __len__(self):
            return 4

        def read(self, row):
            return (), np.ones(3, bool)

    spec = servables.SPEC
    same, other = compare([Says(2, 2, -9, -9), Says(2, 2, 9, 9)], Clips(), spec)
    assert (same.score_difference, same.agreement) == (0, 1)
    assert other.agreement == 0.5
    high, low = (1 / (1 + np.exp(-(1.5 * logit + 0.25))) for logit in (9, -9))
    assert other.score_difference == pytest.approx(high - low)


def test_unknown_text_is_refused(files):
    with pytest.raises(ServableError, match=r"holds no more.json"):
        runner.read_text(files / "detector-int8.tflite", "more.json")
