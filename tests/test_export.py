import json
import os

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_tf import export, runs, versions
from deepfake_tf.errors import ConfigError, ServableError
from deepfake_tf.judging import decision
from deepfake_tf.judging.decision import Decision
from deepfake_tf.predictors import saved_model
from deepfake_tf.predictors.saved_model import SavedModel, read_spec
from deepfake_tf.schema import SCORE_BINS, Calibration
from tests import servables

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return servables.tiny_model()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = export.export_model(model, servables.SPEC, tmp_path_factory.mktemp("servables") / "detector")
    loaded = SavedModel(folder)
    yield loaded
    loaded.close()


def small_model(layer):
    """A network of the right interface around one layer or function of [B, T, H, W, 3]."""
    spec = servables.CLIP_SPEC
    clips = keras.Input((spec.num_frames, spec.crop_size_px, spec.crop_size_px, 3), name="clips")
    mask = keras.Input((spec.num_frames,), dtype="bool", name="mask")
    return keras.Model({"clips": clips, "mask": mask}, layer(clips))


def mean_logit(clips):
    return keras.ops.mean(clips, axis=(1, 2, 3, 4)) / 255


def test_version_folder_holds_what_a_model_server_wants(exported):
    assert exported.path.name == "1"
    assert (exported.path / "saved_model.pb").is_file()
    assert (exported.path / saved_model.WARMUP_FILE).stat().st_size > 0
    assert [path.name for path in exported.path.parent.iterdir()] == ["1"]


def test_signatures_have_the_names_shapes_and_dtypes_of_the_contract(exported):
    def described(infos):
        return {
            name: (tf.dtypes.as_dtype(info.dtype).name, [dim.size for dim in info.tensor_shape.dim])
            for name, info in infos.items()
        }

    jpeg, pixels, spec = (exported.signatures[name] for name in ("serving_default", "pixels", "spec"))
    assert described(jpeg.inputs) == {"clips": ("string", [-1, 3]), "mask": ("bool", [-1, 3])}
    assert described(pixels.inputs) == {"clips": ("uint8", [-1, 3, 32, 32, 3]), "mask": ("bool", [-1, 3])}
    for signature in (jpeg, pixels):
        assert described(signature.outputs) == {"logit": ("float32", [-1]), "score": ("float32", [-1])}
    assert described(spec.inputs) == {"request": ("int32", [-1])}
    assert described(spec.outputs) == {"spec": ("string", [-1])}
    assert set(exported.signatures) <= {"serving_default", "pixels", "spec", "__saved_model_init_op"}


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_session_gives_the_keras_models_logits(exported, model, batch):
    clips, mask = servables.jpeg_clips(batch, seed=batch)
    expected = servables.keras_logits(model, clips, mask)
    outputs = exported.run("serving_default", {"clips": np.asarray(clips, object), "mask": mask})
    np.testing.assert_allclose(outputs["logit"], expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(outputs["score"], 1 / (1 + np.exp(-expected)), atol=1e-6)
    pixels = np.stack([[cv2.imdecode(np.frombuffer(c, np.uint8), cv2.IMREAD_COLOR_RGB) for c in one] for one in clips])
    np.testing.assert_allclose(exported.run("pixels", {"clips": pixels, "mask": mask})["logit"], expected, atol=1e-5)


def test_logits_differ_between_clips_and_honour_the_mask(exported):
    clips, mask = servables.jpeg_clips(4)
    inputs = {"clips": np.asarray(clips, object), "mask": mask}
    logits = exported.run("serving_default", inputs)["logit"]
    assert np.ptp(logits) > 1e-3
    blank = cv2.imencode(".jpg", np.zeros([32, 32, 3], np.uint8))[1].tobytes()
    for number in (1, 3):
        inputs["clips"][number, -1] = blank
    np.testing.assert_allclose(exported.run("serving_default", inputs)["logit"], logits, atol=1e-6)


@pytest.mark.parametrize("subsampling", [cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420])
def test_jpeg_is_decoded_as_opencv_does_to_the_last_bit(subsampling):
    picture = np.random.default_rng(0).integers(0, 256, [32, 32, 3], np.uint8)
    settings = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, subsampling]
    data = cv2.imencode(".jpg", picture, settings)[1]
    decoded = export._decode(tf.constant([[data.tobytes()]]), 32).numpy()[0, 0]
    np.testing.assert_array_equal(decoded, cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))


def test_spec_comes_back_once_per_request_row(exported):
    answers = exported.run("spec", {"request": np.zeros([3], np.int32)})["spec"]
    assert len(answers) == 3
    assert len(set(answers)) == 1
    spec = read_spec(exported)
    assert (spec.model_version, spec.clip_spec, spec.threshold) == (1, servables.CLIP_SPEC, 0.6)


@pytest.mark.parametrize(
    ("signature", "clips_shape", "mask_shape"),
    [
        ("pixels", [1, 3, 16, 16, 3], [1, 3]),
        # As many pixels as one clip of the right size: without a check of shapes it would be judged as one.
        ("pixels", [4, 3, 16, 16, 3], [1, 3]),
        ("pixels", [1, 2, 32, 32, 3], [1, 2]),
        ("pixels", [1, 3, 32, 32, 3], [1, 2]),
    ],
)
def test_wrong_shapes_are_refused_by_the_graph_itself(exported, signature, clips_shape, mask_shape):
    inputs = {"clips": np.zeros(clips_shape, np.uint8), "mask": np.ones(mask_shape, bool)}
    with pytest.raises(tf.errors.InvalidArgumentError):
        exported.run(signature, inputs)


def test_crop_of_another_size_is_refused_by_the_graph_itself(exported):
    crop = cv2.imencode(".jpg", np.zeros([16, 16, 3], np.uint8))[1].tobytes()
    with pytest.raises(tf.errors.InvalidArgumentError):
        exported.run("serving_default", {"clips": np.full([1, 3], crop, object), "mask": np.ones([1, 3], bool)})


def test_no_value_fails(exported):
    for value in (0, 255):
        inputs = {"clips": np.full([2, 3, 32, 32, 3], value, np.uint8), "mask": np.zeros([2, 3], bool)}
        assert np.isfinite(exported.run("pixels", inputs)["logit"]).all()


def test_versions_go_up_and_are_never_overwritten(tmp_path):
    model = small_model(mean_logit)
    first = export.export_model(model, servables.SPEC, tmp_path / "detector")
    second = export.export_model(model, servables.SPEC, tmp_path / "detector")
    assert (first.name, second.name) == ("1", "2")
    with pytest.raises(ConfigError, match="Version 2 of .* is there already"):
        export.export_model(model, servables.SPEC, tmp_path / "detector", version=2)
    assert versions.activate(tmp_path / "detector", 1) == [2]
    assert export.export_model(model, servables.SPEC, tmp_path / "detector").name == "3"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        # Right in eager mode, wrong in a graph: a loop over what is a Python number only there.
        (lambda: keras.layers.Lambda(lambda x: mean_logit(x) + 0.1 * (not tf.executing_eagerly())), "lie 0.1 from"),
        (lambda: keras.layers.Lambda(lambda x: mean_logit(x) * float("nan")), "lie nan from"),
        (
            lambda: keras.layers.Lambda(
                lambda x: tf.ensure_shape(tf.numpy_function(lambda y: y.mean((1, 2, 3, 4)), [x], tf.float32), [None]),
                output_shape=(),
            ),
            "cannot run (EagerPyFunc|PyFunc)",
        ),
        (lambda: keras.layers.Lambda(tf.function(mean_logit, jit_compile=True)), "cannot run jit_compile"),
        (lambda: keras.layers.Lambda(lambda x: tf.debugging.check_numerics(mean_logit(x), "no")), "run CheckNumerics"),
        (lambda: keras.layers.Lambda(lambda x: keras.ops.mean(x, axis=(2, 3, 4))), "must give 1 logits"),
    ],
    ids=["graph differs", "nan", "python", "xla", "fails on values", "one per frame"],
)
def test_a_model_that_would_serve_wrongly_is_never_published(tmp_path, layer, message):
    with pytest.raises(ServableError, match=message):
        export.export_model(small_model(layer()), servables.SPEC, tmp_path / "detector")
    assert list((tmp_path / "detector").iterdir()) == []


def test_a_module_that_a_model_server_cannot_restore_is_not_loaded(tmp_path, model):
    # tf.saved_model.load runs this one happily; a model server does not.
    module = tf.Module()
    module.model = model
    shape = [None, 3, 32, 32, 3]
    function = tf.function(
        lambda clips, mask: {"logit": model({"clips": clips, "mask": mask})},
        input_signature=[tf.TensorSpec(shape, tf.uint8, "clips"), tf.TensorSpec([None, 3], tf.bool, "mask")],
    )
    tf.saved_model.save(module, str(tmp_path / "1"), {"pixels": function})
    loaded = SavedModel(tmp_path / "1")
    with pytest.raises(tf.errors.FailedPreconditionError):
        loaded.run("pixels", {"clips": np.zeros([1, *shape[1:]], np.uint8), "mask": np.ones([1, 3], bool)})
    loaded.close()


def test_warmup_records_are_what_the_predictor_asks(exported):
    from tensorflow_serving.apis import prediction_log_pb2

    asked = []
    for data in tf.data.TFRecordDataset(str(exported.path / saved_model.WARMUP_FILE)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(data).predict_log.request
        batch = next(iter(request.inputs.values())).tensor_shape.dim[0].size
        asked.append((request.model_spec.signature_name, batch, list(request.output_filter)))
        assert request.model_spec.name == "detector"
    assert asked == [
        *(("serving_default", batch, ["logit"]) for batch in (1, 2, 3, 4)),
        ("serving_default", 1, []),
        ("pixels", 1, []),
        ("spec", 1, []),
    ]


@pytest.fixture
def finished_run(monkeypatch, model, tmp_path):
    run = {"settings": {}, "data": {"clip_spec": servables.CLIP_SPEC.to_json(), "fingerprint": "abc"}, "result": {}}
    monkeypatch.setattr(runs, "load_run", lambda run_dir: (model, run))
    (tmp_path / "run").mkdir()
    return run


def test_export_of_a_run_fills_the_spec_and_finds_finished_work(finished_run, tmp_path):
    run_dir, base = tmp_path / "run", tmp_path / "faces"
    folder = export.export_servable(run_dir, base)
    assert export.export_servable(run_dir, base) == folder
    plain = _spec_in(folder)
    assert (plain.model_name, plain.joining, plain.threshold, plain.training_data) == ("faces", "mean", 0.5, "abc")
    # What was chosen since makes another servable of the same weights.
    chosen = Decision("trimmed_mean", Calibration(logits=(-1.0, 2.0), scores=(0.2, 0.9)), threshold=0.25, band=0.05)
    counts = list(range(SCORE_BINS))
    decision.write(run_dir, finished_run, chosen, {"score_histogram": counts})
    second = export.export_servable(run_dir, base)
    assert second.name == "2"
    spec = _spec_in(second)
    assert Decision(spec.joining, spec.calibration, spec.threshold, spec.band) == chosen
    assert (plain.score_histogram, spec.score_histogram) == ((), tuple(counts))
    assert json.loads((second / export.SOURCE_FILE).read_text())["spec"]["threshold"] == 0.25
    assert export.export_servable(run_dir, base) == second


def _spec_in(folder):
    loaded = SavedModel(folder)
    spec = read_spec(loaded)
    loaded.close()
    return spec


def test_failed_rename_leaves_nothing(tmp_path, monkeypatch):
    def fail(old, new):
        raise OSError("disk full")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(ConfigError, match="Cannot publish version 1.*disk full"):
        export.export_model(small_model(mean_logit), servables.SPEC, tmp_path / "detector")
    assert list((tmp_path / "detector").iterdir()) == []
