import json
import threading
from concurrent import futures

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepfake_tf import plugins
from deepfake_tf.errors import (
    ConfigError,
    PredictorBusyError,
    PredictorError,
    PredictorTimeoutError,
    PredictorUnavailableError,
    ServableError,
)
from deepfake_tf.predictors import tf_serving
from deepfake_tf.protos import wire_pb2
from tests import servables

CODES = grpc.StatusCode


@pytest.mark.parametrize("name", plugins.names("predictors"))
def test_every_predictor_can_be_opened_by_name(name):
    assert callable(plugins.load("predictors", name).open_predictor)


# tf_serving, against a server that fails as it is told -------------------------------------------------------------


class Answers:
    """A Predict method that fails with the given codes in turn, and then answers."""

    def __init__(self):
        self.failures, self.requests, self.lock = [], [], threading.Lock()
        self.spec = servables.SPEC.to_text()
        self.version, self.older = 4, {}

    def __call__(self, request, context):
        with self.lock:
            self.requests.append(request)
            failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            context.abort(failure, "as told")
        response = wire_pb2.PredictResponse()
        response.model_spec.version.value = request.model_spec.version.value or self.version
        if request.model_spec.signature_name == "spec":
            spec = self.older.get(request.model_spec.version.value, self.spec)
            response.outputs["spec"].CopyFrom(tf_serving.to_tensor(np.asarray([spec.encode()], object)))
        else:
            shape = request.inputs["clips"].tensor_shape
            response.outputs["logit"].dtype = wire_pb2.DT_FLOAT
            response.outputs["logit"].tensor_shape.dim.add(size=shape.dim[0].size)
            response.outputs["logit"].float_val.append(0.5)
        return response

    def status(self, request, context):
        """Says which versions are there."""
        response = wire_pb2.GetModelStatusResponse()
        for version in (self.version, *self.older):
            response.model_version_status.add(version=version, state=wire_pb2.ModelVersionStatus.AVAILABLE)
        return response


@pytest.fixture(scope="module")
def server():
    answers = Answers()
    status = grpc.unary_unary_rpc_method_handler(
        answers.status, wire_pb2.GetModelStatusRequest.FromString, wire_pb2.GetModelStatusResponse.SerializeToString
    )
    method = grpc.unary_unary_rpc_method_handler(
        answers, wire_pb2.PredictRequest.FromString, wire_pb2.PredictResponse.SerializeToString
    )
    handler = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": method})
    made = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    states = grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", {"GetModelStatus": status})
    made.add_generic_rpc_handlers([handler, states])
    answers.target = f"127.0.0.1:{made.add_insecure_port('127.0.0.1:0')}"
    made.start()
    yield answers
    made.stop(None).wait()


@pytest.fixture
def answers(server):
    server.failures, server.requests, server.version, server.older = [], [], 4, {}
    server.spec = servables.SPEC.to_text()
    return server


@pytest.fixture
def predictor(answers):
    made = tf_serving.open_predictor(answers.target)
    yield made
    made.close()


def large_clips(num_bytes):
    return [[b"x" * (num_bytes // 3)] * 3], np.ones([1, 3], bool)


@pytest.mark.parametrize("num_bytes", [1000, 300 * 1024, 8 * 1024**2])
def test_a_request_is_tried_again_however_large_it_is(answers, predictor, num_bytes):
    answers.failures = [CODES.UNAVAILABLE, CODES.RESOURCE_EXHAUSTED]
    logits = predictor.predict(*large_clips(num_bytes), spec=servables.SPEC, deadline_sec=20)
    assert logits.tolist() == [0.5]
    assert len(answers.requests) == 3


def test_what_cannot_succeed_is_not_tried_again(answers, predictor):
    answers.failures = [CODES.INVALID_ARGUMENT]
    with pytest.raises(PredictorError, match=r"INVALID_ARGUMENT \(as told\)"):
        predictor.predict(*large_clips(30), spec=servables.SPEC)
    assert len(answers.requests) == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (CODES.UNAVAILABLE, PredictorUnavailableError),
        (CODES.NOT_FOUND, PredictorUnavailableError),
        (CODES.RESOURCE_EXHAUSTED, PredictorBusyError),
        (CODES.DEADLINE_EXCEEDED, PredictorTimeoutError),
        (CODES.FAILED_PRECONDITION, ServableError),
        (CODES.INTERNAL, PredictorError),
        (CODES.UNIMPLEMENTED, PredictorError),
    ],
)
def test_each_status_is_our_error(answers, predictor, code, kind):
    answers.failures = [code] * 4
    with pytest.raises(kind, match=f"127.0.0.1:.*'detector'.*{code.name}") as caught:
        predictor.spec()
    assert type(caught.value) is kind


def test_nobody_there_is_unavailable():
    with pytest.raises(PredictorUnavailableError, match="Is it running"):
        tf_serving.open_predictor("127.0.0.1:9").spec(deadline_sec=5)


def test_without_time_nothing_is_asked(answers, predictor):
    for deadline in (0.0, -1.0):
        with pytest.raises(PredictorTimeoutError):
            predictor.spec(deadline_sec=deadline)
    assert answers.requests == []


def test_the_request_names_the_model_its_version_and_one_output(answers, predictor):
    clips, mask = servables.jpeg_clips(2)
    predictor.predict(clips, mask, spec=predictor.spec())
    spec_request, request = answers.requests
    assert not spec_request.model_spec.HasField("version")
    assert (request.model_spec.name, request.model_spec.version.value) == ("detector", 4)
    assert request.model_spec.signature_name == "serving_default"
    assert list(request.output_filter) == ["logit"]


def test_spec_follows_the_served_version(answers, predictor):
    assert (predictor.spec().model_version, predictor.spec().threshold) == (4, 0.6)
    answers.version, answers.spec = 5, answers.spec.replace('"threshold": 0.6', '"threshold": 0.7')
    assert (predictor.spec().model_version, predictor.spec().threshold) == (5, 0.7)


def test_a_spec_of_another_format_is_refused(answers, predictor):
    answers.spec = json.dumps({**json.loads(answers.spec), "format_version": 99})
    with pytest.raises(ServableError, match="format version 99"):
        predictor.spec()


def test_where_the_newest_is_not_understood_the_newest_that_is_judges(answers, predictor):
    known, unknown = answers.spec, json.dumps({**json.loads(answers.spec), "format_version": 99})
    answers.spec, answers.older = unknown, {1: known, 2: known, 3: unknown}
    spec = predictor.spec()
    assert spec.model_version == 2
    predictor.predict(*large_clips(30), spec=spec)
    assert answers.requests[-1].model_spec.version.value == 2
    # A label says which one is wanted: no other will do.
    labelled = tf_serving.open_predictor(answers.target, label="stable")
    with pytest.raises(ServableError, match="format version 99"):
        labelled.spec()
    labelled.close()


def test_a_label_is_asked_for_the_spec_and_the_version_for_the_rest(answers):
    labelled = tf_serving.open_predictor(answers.target, label="canary")
    labelled.predict(*large_clips(30), spec=labelled.spec())
    labelled.close()
    spec_request, request = answers.requests
    assert spec_request.model_spec.version_label == "canary"
    assert (request.model_spec.version_label, request.model_spec.version.value) == ("", 4)


@pytest.mark.parametrize("target", ["", "localhost", "localhost:", ":8500", "localhost:x", "localhost:70000"])
def test_a_target_is_host_and_port(target):
    with pytest.raises(ConfigError, match="host:port"):
        tf_serving.open_predictor(target)


# Tensors, with TensorFlow's own functions as the truth -------------------------------------------------------------


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    return tensorflow


@pytest.mark.slow
@given(
    values=hnp.arrays(
        st.sampled_from([np.bool_, np.int32, np.uint8]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)
    )
)
def test_tensors_written_are_what_tensorflow_reads(tf, values):
    message = tf.make_tensor_proto(0).__class__.FromString(tf_serving.to_tensor(values).SerializeToString())
    read = tf.make_ndarray(message)
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)


@pytest.mark.slow
@given(
    values=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int32, np.int64]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
    )
)
def test_tensors_read_are_what_tensorflow_wrote(tf, values):
    message = wire_pb2.TensorProto.FromString(tf.make_tensor_proto(values).SerializeToString())
    read = tf_serving.from_tensor(message)
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)


@pytest.mark.slow
def test_strings_both_ways(tf):
    values = np.asarray([[b"a", b""], [b"\xff\0", b"c"]], object)
    message = tf_serving.to_tensor(values)
    theirs = tf.make_tensor_proto(0).__class__.FromString(message.SerializeToString())
    assert tf.make_ndarray(theirs).tolist() == values.tolist()
    assert tf_serving.from_tensor(message).tolist() == values.tolist()


def test_fewer_values_than_elements_repeat_the_last():
    shape = wire_pb2.TensorShapeProto(dim=[wire_pb2.TensorShapeProto.Dim(size=3)])
    message = wire_pb2.TensorProto(dtype=wire_pb2.DT_FLOAT, tensor_shape=shape, float_val=[1.0, 2.0])
    assert tf_serving.from_tensor(message).tolist() == [1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "fields",
    [
        {"dtype": wire_pb2.DT_HALF},
        {"dtype": wire_pb2.DT_FLOAT, "tensor_content": b"123"},
        {"dtype": wire_pb2.DT_FLOAT, "float_val": [1.0] * 9},
    ],
)
def test_broken_tensors_are_our_error(fields):
    shape = wire_pb2.TensorShapeProto(dim=[wire_pb2.TensorShapeProto.Dim(size=3)])
    with pytest.raises(PredictorError):
        tf_serving.from_tensor(wire_pb2.TensorProto(tensor_shape=shape, **fields))


# saved_model -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base_path(tmp_path_factory):
    base = tmp_path_factory.mktemp("servables") / "detector"
    servables.tiny_servable(base)
    return base


@pytest.mark.slow
def test_saved_model_gives_the_keras_models_logits(base_path):
    predictor = plugins.load("predictors", "saved_model").open_predictor(base_path)
    clips, mask = servables.jpeg_clips(3)
    expected = servables.keras_logits(servables.tiny_model(), clips, mask)
    np.testing.assert_allclose(predictor.predict(clips, mask, spec=predictor.spec()), expected, atol=1e-5, rtol=0)
    with pytest.raises(ServableError, match="cannot judge these clips"):
        predictor.predict([[b"no jpeg"] * 3], mask[:1], spec=predictor.spec())
    predictor.close()


@pytest.mark.slow
def test_saved_model_takes_the_newest_version_or_the_named_one(base_path):
    newest = servables.tiny_servable(base_path, seed=9)
    saved_model = plugins.load("predictors", "saved_model")
    assert saved_model.open_predictor(base_path).spec().model_version == int(newest.name) == 2
    assert saved_model.open_predictor(base_path / "1").spec().model_version == 1


@pytest.mark.slow
def test_saved_model_refuses_what_is_no_servable(tmp_path):
    saved_model = plugins.load("predictors", "saved_model")
    with pytest.raises(ConfigError, match="No servable in"):
        saved_model.open_predictor(tmp_path)
    (tmp_path / "1").mkdir()
    with pytest.raises(ServableError, match="holds no SavedModel"):
        saved_model.open_predictor(tmp_path)


@pytest.mark.slow
def test_saved_model_of_another_program_has_no_spec(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(module, str(tmp_path / "1"), {"double": module.double})
    with pytest.raises(ServableError, match="no signature 'spec'.*It has: double"):
        plugins.load("predictors", "saved_model").open_predictor(tmp_path)
