"""A servable in this process, run as TensorFlow Serving runs it: loaded into a version 1 session.

`tf.saved_model.load` is more forgiving: it serves exports whose variables a real server cannot find. What works here
works there. TensorFlow is imported when a model is loaded, not before.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from deepfake_tf import native_output, schema
from deepfake_tf.errors import ConfigError, PredictorUnavailableError, ServableError
from deepfake_tf.predictors import DEFAULT_DEADLINE_SEC
from deepfake_tf.schema import ServableSpec
from deepfake_tf.versions import version_dirs

SIGNATURE_INIT_OP = "__saved_model_init_op"
"""What TensorFlow adds to the signatures of a SavedModel; nobody calls it."""

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


class SavedModel:
    """One version folder, loaded into a session of its own.

    Attributes:
        path: the version folder.
        signatures: the SignatureDef messages by name.
    """

    def __init__(self, path: Path | str) -> None:
        """Loads it.

        Raises:
            ServableError: the folder does not hold a SavedModel that can be loaded.
        """
        native_output.load_tensorflow()
        import tensorflow as tf

        self.path = Path(path)
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        try:
            with self._session.graph.as_default():
                loaded = tf.compat.v1.saved_model.load(self._session, ["serve"], str(path))
        except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
            self._session.close()
            first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ServableError(f"{path} holds no SavedModel that can be loaded: {first_line}") from error
        self.signatures: dict[str, Any] = dict(loaded.signature_def)
        self._calls: dict[tuple[str, ...], Callable[..., list[Any]]] = {}
        self._lock = threading.Lock()

    def run(
        self, signature: str, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Runs one signature. Like a real server it leaves shapes to the graph.

        Args:
            signature: a key of `signatures`.
            inputs: an array for each of the signature's inputs, of its dtype.
            outputs: names of those to return, all if None.

        Raises:
            tf.errors.OpError: what the graph's operations make of the values.
        """
        definition = self.signatures[signature]
        names = sorted(outputs if outputs is not None else definition.outputs)
        feeds = sorted(definition.inputs)
        call = self._call(signature, definition, feeds, names)
        return dict(zip(names, call(*(inputs[name] for name in feeds)), strict=True))

    def close(self) -> None:
        """Frees the model."""
        self._session.close()

    def _call(self, signature: str, definition: Any, feeds: list[str], names: list[str]) -> Callable[..., list[Any]]:
        """Returns the executor for one set of outputs; making it is what a first call costs."""
        from tensorflow.core.protobuf import config_pb2

        with self._lock:
            if (signature, *names) not in self._calls:
                options = config_pb2.CallableOptions(
                    feed=[definition.inputs[name].name for name in feeds],
                    fetch=[definition.outputs[name].name for name in names],
                )
                # Session.run would check shapes and cast dtypes, which no model server does.
                self._calls[signature, *names] = self._session._make_callable_from_options(options)
            return self._calls[signature, *names]


class SavedModelPredictor:
    """Judges clips with the newest version of a servable on disk."""

    def __init__(self, base_path: Path | str) -> None:
        """Loads the newest version.

        Args:
            base_path: the folder of the version folders, or one version folder.

        Raises:
            ConfigError: there is no version.
            ServableError: it cannot be loaded, or its spec is of an unknown format.
        """
        path, version = _newest(Path(base_path))
        self._model = SavedModel(path)
        self._spec = replace(read_spec(self._model), model_version=version)

    def spec(self, *, deadline_sec: float = DEFAULT_DEADLINE_SEC) -> ServableSpec:
        """Returns what the model says of itself; that is known since it was loaded."""
        return self._spec

    def predict(
        self,
        clips: Sequence[Sequence[bytes]],
        mask: NDArray[np.bool_],
        *,
        spec: ServableSpec,
        deadline_sec: float = DEFAULT_DEADLINE_SEC,
    ) -> NDArray[np.float32]:
        """Returns one logit for each clip, as `Predictor.predict`; a run in this process cannot be cut short."""
        import tensorflow as tf

        if spec.model_version != self._spec.model_version:
            raise PredictorUnavailableError(
                f"Version {spec.model_version} is not loaded here. Loaded: version {self._spec.model_version}."
            )
        inputs = {schema.INPUT_CLIPS: np.asarray(clips, object), schema.INPUT_MASK: np.asarray(mask, np.bool_)}
        try:
            outputs = self._model.run(schema.SIGNATURE_JPEG, inputs, [schema.OUTPUT_LOGIT])
        except tf.errors.OpError as error:
            raise ServableError(f"The model cannot judge these clips: {error.message.splitlines()[0]}") from error
        return np.asarray(outputs[schema.OUTPUT_LOGIT], np.float32)

    def close(self) -> None:
        """Frees the model."""
        self._model.close()


def open_predictor(target: str | os.PathLike[str]) -> SavedModelPredictor:
    """Opens a servable on disk.

    Args:
        target: the folder of its version folders, such as "servables/detector", or one version folder.
    """
    return SavedModelPredictor(Path(target))


def read_spec(model: SavedModel) -> ServableSpec:
    """Returns what a loaded model says of itself.

    Raises:
        ServableError: it says nothing, or in an unknown format.
    """
    if schema.SIGNATURE_SPEC not in model.signatures:
        raise ServableError(
            f"{model.path} has no signature {schema.SIGNATURE_SPEC!r}: it was not made by pipelines.export. "
            f"It has: {', '.join(sorted(set(model.signatures) - {SIGNATURE_INIT_OP}))}."
        )
    answer = model.run(schema.SIGNATURE_SPEC, {schema.INPUT_SPEC_REQUEST: np.zeros([1], np.int32)})
    return ServableSpec.from_text(answer[schema.OUTPUT_SPEC][0].decode())


def replay_warmup(model: SavedModel) -> None:
    """Runs a version's warm-up requests, if it has any, as a model server does before it serves the version.

    Raises:
        ServableError: one of them fails, which keeps a model server from serving the version.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    path = model.path / WARMUP_FILE
    if not path.is_file():
        return
    try:
        for data in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(data).predict_log.request
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            model.run(request.model_spec.signature_name, inputs, list(request.output_filter) or None)
    except (tf.errors.OpError, DecodeError, KeyError, ValueError) as error:
        raise ServableError(f"{path} cannot be replayed: {error}") from error


def _newest(path: Path) -> tuple[Path, int]:
    if (path / "saved_model.pb").is_file():
        return path, int(path.name) if path.name.isdigit() else 1
    versions = version_dirs(path)
    if not versions:
        raise ConfigError(
            f"No servable in {path}: expected version folders such as {path / '1'}. Make one with pipelines.export."
        )
    return versions[max(versions)], max(versions)
