"""An embedded model server: what TensorFlow Serving's gRPC API says, for a laptop and the tests.

It answers Predict, GetModelMetadata and GetModelStatus with the codes and words of tensorflow_model_server 2.20 and
watches the version folders as that does. It is a stand-in, not TensorFlow Serving: no batching, no REST, no deadline
inside a computation. For deployment use the official server (docker/compose.yaml).

    python -m serving.model_server --model-base-path servables/detector
"""

import argparse
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from deepfake_tf import command, schema
from deepfake_tf.errors import ConfigError, ServableError
from deepfake_tf.versions import version_dirs
from serving import predict_request

if TYPE_CHECKING:
    from deepfake_tf.predictors.saved_model import SavedModel

log = logging.getLogger("serving.model_server")

SERVER_OPTIONS = [
    # Two servers on one port would share the calls between them; the second shall fail to start.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
MAX_MESSAGE_CHARS = 1024


@dataclass
class VersionState:
    """What GetModelStatus says of one version."""

    state: str
    error: str = ""


@dataclass
class ServedModel:
    """The newest version of one model, or those that have a label, kept up to date with its folder.

    Attributes:
        name: the name it is served under.
        base_path: the folder of its version folders.
        labels: versions by label, such as {"stable": 1, "canary": 2}: these are served then, and no others.
        loaded: the versions that can be asked.
        states: every version that was ever seen.
    """

    name: str
    base_path: Path
    labels: Mapping[str, int] = field(default_factory=dict)
    loaded: dict[int, "SavedModel"] = field(default_factory=dict)
    states: dict[int, VersionState] = field(default_factory=dict)

    def poll(self) -> None:
        """Loads what is new of the versions to be served, and only then lets go of the ones before.

        A version that cannot be loaded is never tried again, as with the real server: publish by rename.
        """
        if not self.base_path.is_dir():
            return
        found = version_dirs(self.base_path)
        wanted = set(self.labels.values()) & set(found) if self.labels else set(sorted(found)[-1:])
        for version in sorted(wanted - set(self.loaded)):
            if not (version in self.states and self.states[version].error):
                self._load(version, found[version])
        if not wanted <= set(self.loaded):
            return
        for version in set(self.loaded) - wanted:
            # Calls under way hold the model until they are done.
            del self.loaded[version]
            self.states[version] = VersionState("END")
            log.info("unloaded %s version %d", self.name, version)

    def find(self, spec: Any) -> tuple[int, "SavedModel"]:
        """Returns the version that a request names, the newest if it names none."""
        wanted = spec.version.value if spec.HasField("version") else self.labels.get(spec.version_label)
        loaded = dict(self.loaded)
        if spec.name == self.name and (loaded if wanted is None else wanted in loaded):
            version = max(loaded) if wanted is None else wanted
            return version, loaded[version]
        name = f"Latest({spec.name})" if wanted is None else f"Specific({spec.name}, {wanted})"
        raise predict_request.RefusedError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {name}")

    def _load(self, version: int, path: Path) -> None:
        from deepfake_tf.predictors.saved_model import SavedModel, replay_warmup

        self.states[version] = VersionState("LOADING")
        try:
            model = SavedModel(path)
            replay_warmup(model)
        except ServableError as error:
            self.states[version] = VersionState("END", str(error))
            log.error("cannot load %s version %d: %s", self.name, version, error)
            return
        self.loaded[version] = model
        self.states[version] = VersionState("AVAILABLE")
        log.info("loaded %s version %d", self.name, version)


class Api:
    """The calls, in the order of checks of the real server."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def predict(self, request: Any) -> Any:
        """PredictionService.Predict."""
        from tensorflow_serving.apis import predict_pb2

        version, model = self._find(request)
        key = request.model_spec.signature_name or schema.SIGNATURE_JPEG
        if key not in model.signatures:
            raise predict_request.RefusedError(
                grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{key}" not found.'
            )
        inputs = predict_request.parse_inputs(request.inputs, model.signatures[key])
        names = predict_request.check_outputs(request.output_filter, model.signatures[key])
        predict_request.check_dtypes(inputs, model.signatures[key])
        response = predict_pb2.PredictResponse()
        for name, value in predict_request.run(model, key, inputs, names).items():
            response.outputs[name].CopyFrom(predict_request.to_typed_tensor(value))
        self._fill_spec(response.model_spec, version)
        response.model_spec.signature_name = key
        return response

    def metadata(self, request: Any) -> Any:
        """PredictionService.GetModelMetadata."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        if not request.HasField("model_spec"):
            predict_request.invalid("Missing ModelSpec")
        if not request.metadata_field:
            predict_request.invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != "signature_def":
                predict_request.invalid(f"Metadata field {name} is not supported")
        version, model = self._find(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in model.signatures.items():
            signatures.signature_def[name].CopyFrom(definition)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(signatures)
        self._fill_spec(response.model_spec, version)
        return response

    def status(self, request: Any) -> Any:
        """ModelService.GetModelStatus."""
        from tensorflow_serving.apis import get_model_status_pb2

        spec = request.model_spec
        if not request.HasField("model_spec"):
            predict_request.invalid("Missing ModelSpec")
        states = dict(sorted(self._model.states.items(), reverse=True)) if spec.name == self._model.name else {}
        if spec.HasField("version"):
            states = {version: one for version, one in states.items() if version == spec.version.value}
        if not states:
            which = f"version {spec.version.value}" if spec.HasField("version") else "any versions"
            raise predict_request.RefusedError(
                grpc.StatusCode.NOT_FOUND, f"Could not find {which} of model {spec.name}"
            )
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, one in states.items():
            code = grpc.StatusCode.UNKNOWN if one.error else grpc.StatusCode.OK
            entry = response.model_version_status.add(version=version, state=one.state)
            entry.status.error_code = code.value[0]
            entry.status.error_message = one.error
        return response

    def _find(self, request: Any) -> tuple[int, "SavedModel"]:
        spec = request.model_spec
        if not request.HasField("model_spec"):
            predict_request.invalid("Missing ModelSpec")
        if not spec.name:
            predict_request.invalid("ModelSpec has no name specified.")
        if spec.HasField("version_label") and spec.version_label not in self._model.labels:
            predict_request.invalid(f"Unrecognized servable version label: {spec.version_label}")
        return self._model.find(spec)

    def _fill_spec(self, spec: Any, version: int) -> None:
        spec.name = self._model.name
        spec.version.value = version


def make_server(model: ServedModel, *, address: str, max_workers: int = 8) -> tuple[grpc.Server, int]:
    """Makes a server that is ready to start.

    Args:
        model: what it serves.
        address: host:port; port 0 takes a free one.
        max_workers: calls worked on at a time.

    Returns:
        The server, and its port.

    Raises:
        ConfigError: the address is taken.
    """
    from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

    api = Api(model)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers, thread_name_prefix="predict"), options=SERVER_OPTIONS)
    services: dict[str, dict[str, tuple[Any, Any]]] = {
        "PredictionService": {
            "Predict": (api.predict, predict_pb2.PredictRequest),
            "GetModelMetadata": (api.metadata, get_model_metadata_pb2.GetModelMetadataRequest),
        },
        "ModelService": {"GetModelStatus": (api.status, get_model_status_pb2.GetModelStatusRequest)},
    }
    for name, calls in services.items():
        handlers = {
            call: grpc.unary_unary_rpc_method_handler(
                _answer(function), request.FromString, lambda message: message.SerializeToString()
            )
            for call, (function, request) in calls.items()
        }
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(f"tensorflow.serving.{name}", handlers)])
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ConfigError(f"Cannot listen on {address}: {error}. Choose another with --port.") from error
    return server, port


def _answer(function: Callable[[Any], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    """Turns what a call raises into a status, as the real server words it."""

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        import tensorflow as tf

        try:
            return function(request)
        except predict_request.RefusedError as error:
            code, message = error.code, str(error)
        except tf.errors.OpError as error:
            code, message = _code(error.error_code), _clean(error.message)
        context.abort(
            code, message if len(message) <= MAX_MESSAGE_CHARS else message[:MAX_MESSAGE_CHARS] + "...TRUNCATED"
        )

    return answer


def _code(number: int) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == number)


def _clean(message: str) -> str:
    """Takes away what only Python adds to an error of the graph."""
    text = message.split("\n\nOriginal stack trace")[0]
    return text.removeprefix("Graph execution error:").strip()


# The command --------------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop."""
    parser = command.Parser(
        "Serves the newest version of a servable, or labelled ones, with TensorFlow Serving's gRPC API, on a laptop."
    )
    parser.add_argument("--model-base-path", type=Path, required=True, help="folder of the version folders")
    parser.add_argument("--model-name", default=schema.MODEL_NAME, help="name that it is asked for by")
    parser.add_argument(
        "--label",
        type=_label,
        action="append",
        default=[],
        metavar="NAME=VERSION",
        help="serve this version, to be asked for by name, in place of the newest; may be given again",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all")
    parser.add_argument("--port", type=int, default=schema.MODEL_SERVER_PORT, help="0 takes a free one")
    parser.add_argument("--poll-sec", type=float, default=1.0, help="how often new versions are looked for")
    return command.run(parser, _serve, argv)


def _serve(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    stop = _stop_on_signals()
    command.require_free_port(arguments.host, arguments.port)
    if not version_dirs(arguments.model_base_path):
        raise ConfigError(
            f"No servable in {arguments.model_base_path}: expected version folders such as "
            f"{arguments.model_base_path / '1'}. Make one with pipelines.export."
        )
    labels = dict(arguments.label)
    if missing := sorted(set(labels.values()) - set(version_dirs(arguments.model_base_path))):
        raise ConfigError(f"{arguments.model_base_path} has no version {missing[0]} to give a label to.")
    model = ServedModel(arguments.model_name, arguments.model_base_path, labels)
    server, port = make_server(model, address=f"{arguments.host}:{arguments.port}")
    model.poll()
    if not model.loaded:
        raise ConfigError(" ".join(one.error for one in model.states.values()))
    server.start()
    print(f"serving {model.name} version {max(model.loaded)} on {arguments.host}:{port}", flush=True)  # noqa: T201
    while not stop.wait(arguments.poll_sec):
        model.poll()
    server.stop(grace=5).wait()
    return command.DONE


def _label(text: str) -> tuple[str, int]:
    name, _, version = text.partition("=")
    if not re.fullmatch(r"[a-zA-Z0-9_]+", name) or not version.isdigit():
        raise argparse.ArgumentTypeError(f"expected a label and a version, such as canary=2, received {text!r}")
    return name, int(version)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    # TensorFlow would load Keras, and scikit-learn and matplotlib with it, to serve graphs that need none of them.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    sys.exit(main())
