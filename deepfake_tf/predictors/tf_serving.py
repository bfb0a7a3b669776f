"""A model behind TensorFlow Serving's gRPC API: the official server, or the embedded one.

No TensorFlow here: the messages are our own copies of the server's (protos/wire.proto), the bytes are the same.
"""

import contextlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import grpc
import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from deepfake_tf import schema
from deepfake_tf.errors import (
    ConfigError,
    PredictorBusyError,
    PredictorError,
    PredictorTimeoutError,
    PredictorUnavailableError,
    ServableError,
)
from deepfake_tf.predictors import DEFAULT_DEADLINE_SEC
from deepfake_tf.protos import wire_pb2
from deepfake_tf.schema import ServableSpec

_Response = TypeVar("_Response", bound=Message)

_METHODS = "/tensorflow.serving.PredictionService/"
_STATUS_METHOD = "/tensorflow.serving.ModelService/GetModelStatus"

# A server sheds load rather than queue it, so that both codes are worth another try; Predict changes nothing.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ]
}
_CHANNEL_OPTIONS = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # By default a request above 256 KiB is silently never tried again. Clips of one request stay well below this.
    ("grpc.per_rpc_retry_buffer_size", 256 * 1024**2),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", 16 * 1024**2),
]

_ERRORS: Mapping[grpc.StatusCode, type[PredictorError]] = {
    grpc.StatusCode.UNAVAILABLE: PredictorUnavailableError,
    grpc.StatusCode.NOT_FOUND: PredictorUnavailableError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: PredictorBusyError,
    grpc.StatusCode.DEADLINE_EXCEEDED: PredictorTimeoutError,
}
_WHAT_TO_DO = {
    grpc.StatusCode.UNAVAILABLE: "Is it running, and is the address right?",
    grpc.StatusCode.NOT_FOUND: "Is a model of this name exported, and has it been loaded?",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Try again later.",
}

_DTYPES: Mapping[int, tuple[np.dtype[Any], str]] = {
    wire_pb2.DT_FLOAT: (np.dtype("<f4"), "float_val"),
    wire_pb2.DT_DOUBLE: (np.dtype("<f8"), "double_val"),
    wire_pb2.DT_INT32: (np.dtype("<i4"), "int_val"),
    wire_pb2.DT_INT64: (np.dtype("<i8"), "int64_val"),
    wire_pb2.DT_STRING: (np.dtype(object), "string_val"),
}


class TFServingPredictor:
    """Asks a TensorFlow Serving server, over one channel. Threads may share it."""

    def __init__(
        self,
        target: str,
        *,
        model_name: str = schema.MODEL_NAME,
        label: str = "",
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Makes the channel; nothing is asked yet.

        Args:
            target: host:port of the server's gRPC API.
            model_name: the name that the model is served under.
            label: of the version that is asked, such as "stable"; the newest version if empty.
            credentials: for TLS; None for a plain link.
        """
        self.target = target
        self.model_name = model_name
        self.label = label
        if credentials is None:
            self._channel = grpc.insecure_channel(target, options=_CHANNEL_OPTIONS)
        else:
            self._channel = grpc.secure_channel(target, credentials, options=_CHANNEL_OPTIONS)
        self._specs: dict[bytes, ServableSpec] = {}

    def spec(self, *, deadline_sec: float = DEFAULT_DEADLINE_SEC) -> ServableSpec:
        """Returns what the version that is asked says of itself.

        It is asked each time, a matter of a millisecond: so a new version is found as soon as it is served. Where the
        newest is of a format that is not known here, and an older one that is known is served beside it, that one is
        used.

        Raises:
            PredictorError: the server does not answer.
            ServableError: it answers with a spec that this program does not know.
        """
        end = time.monotonic() + deadline_sec
        try:
            return self._spec_of(None, deadline_sec)
        except ServableError:
            if self.label:
                raise
            for version in self._older_versions(end - time.monotonic()):
                with contextlib.suppress(ServableError):
                    return self._spec_of(version, end - time.monotonic())
            raise

    def predict(
        self,
        clips: Sequence[Sequence[bytes]],
        mask: NDArray[np.bool_],
        *,
        spec: ServableSpec,
        deadline_sec: float = DEFAULT_DEADLINE_SEC,
    ) -> NDArray[np.float32]:
        """Returns one logit for each clip, as `Predictor.predict`."""
        inputs = {schema.INPUT_CLIPS: np.asarray(clips, object), schema.INPUT_MASK: np.asarray(mask, np.bool_)}
        request = self._request(schema.SIGNATURE_JPEG, inputs, spec.model_version)
        request.output_filter.append(schema.OUTPUT_LOGIT)
        logits = _output(self._predict(request, deadline_sec), schema.OUTPUT_LOGIT)
        return np.asarray(logits, np.float32)

    def available_versions(self, *, deadline_sec: float = DEFAULT_DEADLINE_SEC) -> list[int]:
        """Returns the versions that the server can serve now, lowest first.

        Raises:
            PredictorError: it does not answer, or does not know the model.
        """
        request = wire_pb2.GetModelStatusRequest(model_spec=wire_pb2.ModelSpec(name=self.model_name))
        response = self._call(_STATUS_METHOD, request, wire_pb2.GetModelStatusResponse, deadline_sec)
        states = response.model_version_status
        return sorted(one.version for one in states if one.state == wire_pb2.ModelVersionStatus.AVAILABLE)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _spec_of(self, version: int | None, deadline_sec: float) -> ServableSpec:
        request = self._request(schema.SIGNATURE_SPEC, {schema.INPUT_SPEC_REQUEST: np.zeros([1], np.int32)}, version)
        response = self._predict(request, deadline_sec)
        text = _output(response, schema.OUTPUT_SPEC)[0]
        if text not in self._specs:
            self._specs = {text: ServableSpec.from_text(text.decode())}
        # The number of the folder counts, whatever it was when the model was exported.
        return replace(self._specs[text], model_name=self.model_name, model_version=response.model_spec.version.value)

    def _older_versions(self, deadline_sec: float) -> list[int]:
        """Returns all versions but the newest, highest first; none if the server does not say."""
        with contextlib.suppress(PredictorError):
            return self.available_versions(deadline_sec=deadline_sec)[-2::-1]
        return []

    def _request(
        self, signature: str, inputs: Mapping[str, NDArray[Any]], version: int | None = None
    ) -> wire_pb2.PredictRequest:
        request = wire_pb2.PredictRequest()
        request.model_spec.name = self.model_name
        request.model_spec.signature_name = signature
        if version is not None:
            request.model_spec.version.value = version
        elif self.label:
            request.model_spec.version_label = self.label
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(to_tensor(value))
        return request

    def _predict(self, request: wire_pb2.PredictRequest, deadline_sec: float) -> wire_pb2.PredictResponse:
        return self._call(_METHODS + "Predict", request, wire_pb2.PredictResponse, deadline_sec)

    def _call(self, method: str, request: Message, response: type[_Response], deadline_sec: float) -> _Response:
        if not 0 < deadline_sec < math.inf:
            raise PredictorTimeoutError(f"No time is left to ask the model server at {self.target}.")
        call = self._channel.unary_unary(
            method, request_serializer=type(request).SerializeToString, response_deserializer=response.FromString
        )
        try:
            # Without a deadline the server would go on computing when nobody waits any more.
            answer: _Response = call(request, timeout=deadline_sec)
        except grpc.RpcError as error:
            raise _to_error(error, self.target, self.model_name) from error
        except ValueError as error:
            raise PredictorUnavailableError(f"The link to the model server at {self.target} was closed.") from error
        return answer


def open_predictor(
    target: str,
    *,
    model_name: str = schema.MODEL_NAME,
    label: str = "",
    credentials: grpc.ChannelCredentials | None = None,
) -> TFServingPredictor:
    """Opens the link to a model server.

    Args:
        target: host:port of its gRPC API, such as "localhost:8500".
        model_name: the name that the model is served under.
        label: of the version that is asked; the newest if empty.
        credentials: for TLS; None for a plain link.

    Raises:
        ConfigError: the target has no port.
    """
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"A model server is named as host:port, such as localhost:8500. Received: {target!r}")
    return TFServingPredictor(target, model_name=model_name, label=label, credentials=credentials)


def to_tensor(values: NDArray[Any]) -> wire_pb2.TensorProto:
    """Returns the message that carries an array of bytes objects, bool, int32 or uint8.

    Raises:
        ValueError: it is of another dtype.
    """
    shape = wire_pb2.TensorShapeProto(dim=[wire_pb2.TensorShapeProto.Dim(size=size) for size in values.shape])
    if values.dtype == object:
        return wire_pb2.TensorProto(dtype=wire_pb2.DT_STRING, tensor_shape=shape, string_val=values.ravel().tolist())
    known = {"bool": wire_pb2.DT_BOOL, "int32": wire_pb2.DT_INT32, "uint8": wire_pb2.DT_UINT8}
    if values.dtype.name not in known:
        raise ValueError(f"Expected bytes, bool, int32 or uint8. Received: {values.dtype}")
    content = np.ascontiguousarray(values).tobytes()
    return wire_pb2.TensorProto(dtype=known[values.dtype.name], tensor_shape=shape, tensor_content=content)


def from_tensor(tensor: wire_pb2.TensorProto) -> NDArray[Any]:
    """Returns the array that a message carries.

    Servers write small or typed tensors into fields of their type, and others as plain bytes: both are read. Fewer
    values than elements mean that the last one repeats.

    Raises:
        PredictorError: it is of a dtype that no signature of ours returns, or holds too little or too much.
    """
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if tensor.dtype not in _DTYPES:
        raise PredictorError(f"The model server answered with a tensor of an unexpected dtype ({tensor.dtype}).")
    dtype, field = _DTYPES[tensor.dtype]
    try:
        if tensor.tensor_content:
            return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
        values = np.asarray(list(getattr(tensor, field)), dtype)
        missing = math.prod(shape) - len(values)
        if missing > 0:
            values = np.concatenate([values, np.repeat(values[-1:], missing)])
        return values.reshape(shape)
    except ValueError as error:
        raise PredictorError(f"The model server answered with a broken tensor: {error}.") from error


def _output(response: wire_pb2.PredictResponse, name: str) -> NDArray[Any]:
    if name not in response.outputs:
        known = ", ".join(sorted(response.outputs)) or "nothing"
        raise ServableError(f"The model server answered without {name!r}; it gave {known}. Export the model again.")
    return from_tensor(response.outputs[name])


def _to_error(error: grpc.RpcError, target: str, model_name: str) -> PredictorError | ServableError:
    code, details = error.code(), error.details() or ""
    what = f"The model server at {target} did not answer for model {model_name!r}: {code.name}"
    advice = _WHAT_TO_DO.get(code, "")
    if code == grpc.StatusCode.FAILED_PRECONDITION:
        # No such signature, or variables that it could not restore.
        return ServableError(f"{what} ({details}). It was not made by pipelines.export: export it again.")
    return _ERRORS.get(code, PredictorError)(f"{what} ({details}). {advice}".strip())
