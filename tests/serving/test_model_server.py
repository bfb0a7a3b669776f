"""What a model server answers, word for word: the embedded one, and the real one where there is one."""

import shutil
import socket
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from deepfake_tf import versions
from deepfake_tf.errors import PredictorUnavailableError
from serving.model_server import main
from tests import servables

pytestmark = pytest.mark.slow
CODES = grpc.StatusCode


@pytest.fixture(scope="module")
def channel(model_server):
    with grpc.insecure_channel(model_server.target) as opened:
        yield opened


@pytest.fixture(scope="module")
def predict(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    return lambda request: stub.Predict(request, timeout=60)


def request_of(signature="pixels", *, name="detector", inputs=None, outputs=(), **spec):
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, value in spec.items():
        if key == "version":
            request.model_spec.version.value = value
        else:
            setattr(request.model_spec, key, value)
    default = {"clips": np.zeros([2, 3, 32, 32, 3], np.uint8), "mask": np.ones([2, 3], bool)}
    for alias, value in (default if inputs is None else inputs).items():
        request.inputs[alias].CopyFrom(
            value if isinstance(value, tf.make_tensor_proto(0).__class__) else tf.make_tensor_proto(value)
        )
    return request


def broken_tensor(**fields):
    tensor = tf.make_tensor_proto(np.ones([2, 3], bool))
    for name, value in fields.items():
        if name == "size":
            tensor.tensor_shape.dim[0].size = value
        else:
            setattr(tensor, name, value)
    return tensor


CLIPS = np.zeros([2, 3, 32, 32, 3], np.uint8)
MASK = np.ones([2, 3], bool)
JPEG_GARBAGE = {"clips": np.full([1, 3], b"no jpeg", object), "mask": np.ones([1, 3], bool)}


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (predict_pb2.PredictRequest(), CODES.INVALID_ARGUMENT, "Missing ModelSpec"),
        (request_of(name=""), CODES.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (request_of(name="nope"), CODES.NOT_FOUND, "Servable not found for request: Latest(nope)"),
        (request_of(version=99), CODES.NOT_FOUND, "Servable not found for request: Specific(detector, 99)"),
        (request_of(version_label="canary"), CODES.INVALID_ARGUMENT, "Unrecognized servable version label: canary"),
        (request_of("nosig"), CODES.FAILED_PRECONDITION, 'Serving signature key "nosig" not found.'),
        (
            request_of(inputs={"clips": CLIPS}),
            CODES.INVALID_ARGUMENT,
            "input size does not match signature: 1!=2 len({clips}) != len({clips,mask}). "
            "Sent extra: {}. Missing but required: {mask}.",
        ),
        (
            request_of(inputs={"clips": CLIPS, "mask": MASK, "more": MASK}),
            CODES.INVALID_ARGUMENT,
            "Sent extra: {more}. Missing but required: {}.",
        ),
        (request_of(inputs={"clips": CLIPS, "maks": MASK}), CODES.INVALID_ARGUMENT, "Signature input alias: mask"),
        (
            request_of(inputs={"clips": CLIPS, "mask": broken_tensor(tensor_content=b"\1")}),
            CODES.INVALID_ARGUMENT,
            "tensor parsing error: mask",
        ),
        (
            request_of(inputs={"clips": CLIPS, "mask": broken_tensor(size=-2)}),
            CODES.INVALID_ARGUMENT,
            "tensor parsing error: mask",
        ),
        (
            request_of(inputs={"clips": CLIPS, "mask": broken_tensor(dtype=0)}),
            CODES.INVALID_ARGUMENT,
            "tensor parsing error: mask",
        ),
        (
            request_of(inputs={"clips": CLIPS.astype(np.float32), "mask": MASK}),
            CODES.INVALID_ARGUMENT,
            "Expects arg[0] to be uint8 but float is provided",
        ),
        (request_of(outputs=["zzz"]), CODES.INVALID_ARGUMENT, "output tensor alias not found in signature: zzz"),
        (request_of(outputs=["logit", "logit"]), CODES.INVALID_ARGUMENT, "duplicate output tensor alias: logit"),
        (request_of(inputs={"clips": CLIPS[:, :, :16], "mask": MASK}), CODES.INVALID_ARGUMENT, "not compatible"),
        (request_of("serving_default", inputs=JPEG_GARBAGE), CODES.INVALID_ARGUMENT, "JPEG"),
    ],
)
def test_predict_refuses_with_the_real_servers_words(predict, request_, code, message):
    with pytest.raises(grpc.RpcError) as caught:
        predict(request_)
    assert caught.value.code() == code
    assert message in caught.value.details()
    assert len(caught.value.details()) <= 1024 + len("...TRUNCATED")


def test_predict_answers_with_the_model_it_used(predict):
    clips, mask = servables.jpeg_clips(5)
    response = predict(request_of("", inputs={"clips": np.asarray(clips, object), "mask": mask}))
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("detector", 1, "serving_default")
    assert spec.version_label == ""
    assert set(response.outputs) == {"logit", "score"}
    expected = servables.keras_logits(servables.tiny_model(), clips, mask)
    np.testing.assert_allclose(tf.make_ndarray(response.outputs["logit"]), expected, atol=1e-5, rtol=0)


def test_predict_keeps_to_the_output_filter(predict):
    response = predict(request_of(outputs=["score"], version=1))
    assert set(response.outputs) == {"score"}
    # Typed, as the real server does it by default.
    assert len(response.outputs["score"].float_val) == 2


def test_predict_repeats_the_last_value_of_a_short_tensor(predict):
    short = tf.make_tensor_proto(True, shape=[2, 3])
    assert len(short.bool_val) == 1
    full = predict(request_of())
    assert predict(request_of(inputs={"clips": CLIPS, "mask": short})).outputs["logit"] == full.outputs["logit"]


def metadata_of(channel, *fields, name="detector"):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    return prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata(request, timeout=10)


def test_metadata_describes_the_signatures(channel):
    response = metadata_of(channel, "signature_def")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) - {"__saved_model_init_op"} == {"serving_default", "pixels", "spec"}
    assert (response.model_spec.name, response.model_spec.version.value) == ("detector", 1)
    assert response.model_spec.signature_name == ""


@pytest.mark.parametrize(
    ("fields", "name", "code"),
    [
        ([], "detector", CODES.INVALID_ARGUMENT),
        (["graph"], "detector", CODES.INVALID_ARGUMENT),
        (["signature_def"], "nope", CODES.NOT_FOUND),
    ],
)
def test_metadata_refuses(channel, fields, name, code):
    with pytest.raises(grpc.RpcError) as caught:
        metadata_of(channel, *fields, name=name)
    assert caught.value.code() == code


def status_of(channel, name="detector", version=None):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    response = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=10)
    return {
        one.version: get_model_status_pb2.ModelVersionStatus.State.Name(one.state)
        for one in response.model_version_status
    }


def test_status_of_the_model(channel):
    assert status_of(channel) == {1: "AVAILABLE"}
    for name, version in [("nope", None), ("detector", 99)]:
        with pytest.raises(grpc.RpcError) as caught:
            status_of(channel, name, version)
        assert caught.value.code() == CODES.NOT_FOUND
    assert "Could not find version 99 of model detector" in caught.value.details()


def wait_until(check, timeout_sec=60):
    deadline = time.monotonic() + timeout_sec
    while not check():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


def test_newest_version_is_picked_up_and_broken_ones_are_not(start_model_server, tmp_path):
    base_path = tmp_path / "detector"
    servables.tiny_servable(base_path, seed=1)
    served = start_model_server(base_path)
    from deepfake_tf.predictors.tf_serving import TFServingPredictor

    predictor = TFServingPredictor(served.target)
    old = predictor.spec()
    clips, mask = servables.jpeg_clips(2)
    first = predictor.predict(clips, mask, spec=old)

    (base_path / ".tmp-7").mkdir()
    servables.tiny_servable(base_path, seed=2)
    wait_until(lambda: predictor.spec().model_version == 2)
    second = predictor.predict(clips, mask, spec=predictor.spec())
    np.testing.assert_allclose(second, servables.keras_logits(servables.tiny_model(seed=2), clips, mask), atol=1e-5)
    assert np.abs(first - second).max() > 1e-3
    wait_until(lambda: predictor.available_versions() == [2])
    with pytest.raises(PredictorUnavailableError, match=r"Specific\(detector, 1\)"):
        predictor.predict(clips, mask, spec=old)

    (base_path / "3").mkdir()
    time.sleep(2)
    assert predictor.spec().model_version == 2
    shutil.rmtree(base_path / "3")

    versions.activate(base_path, 1)
    wait_until(lambda: predictor.spec().model_version == 1)
    np.testing.assert_array_equal(predictor.predict(clips, mask, spec=predictor.spec()), first)
    predictor.close()


def test_wrong_use_is_one_line_and_exit_code_2(tmp_path, model_server, capsys):
    if model_server.kind != "embedded":
        pytest.skip("the embedded server's own words")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = str(listener.getsockname()[1])
        assert main(["--model-base-path", str(model_server.base_path), "--port", taken]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error == f"error: Cannot listen on 127.0.0.1:{taken}: Address already in use. Choose another with --port.\n"
    for folder in (tmp_path / "absent", tmp_path):
        assert main(["--model-base-path", str(folder), "--port", "0"]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: No servable in {folder}:")
        assert len(error.splitlines()) == 1
    (tmp_path / "1").mkdir()
    assert main(["--model-base-path", str(tmp_path), "--port", "0"]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "holds no SavedModel that can be loaded" in error.splitlines()[-1]
