"""A trained model becomes a servable: a SavedModel that TensorFlow Serving, and everything here, can run.

    run --load_run--> Keras model --tf.saved_model--> .tmp-3-...  --check--> --rename--> servables/detector/3

Three signatures (schema.py has their names): JPEG clips, pixel clips, and the spec. The graph checks shapes, because a
model server does not, and never a value, because one bad request would fail all that share its batch; only a crop that
is no JPEG of the right size fails, so that who calls the server past the gateway must send what it can read. Nothing
appears under a version's number before a version 1 session, which is what a model server uses, has given the Keras
model's logits.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepfake_tf import runs, schema
from deepfake_tf.detector import MAX_CLIPS_PER_REQUEST
from deepfake_tf.errors import ConfigError, DataError, ServableError
from deepfake_tf.judging import decision
from deepfake_tf.predictors.saved_model import WARMUP_FILE, SavedModel, read_spec, replay_warmup
from deepfake_tf.schema import ClipSpec, ServableSpec
from deepfake_tf.versions import next_version, version_dirs

TOLERANCE = 1e-5
"""How far a served logit may lie from the trained model's."""

SOURCE_FILE = "assets.extra/source.json"

# TensorFlow Serving refuses these unless told otherwise, or they live in the Python process that made them, or they
# fail on a value: one bad request would then fail all that share its batch.
FORBIDDEN_OPS = ("Xla", "PyFunc", "EagerPyFunc", "Assert", "CheckNumerics")


def export_servable(
    run_dir: Path | str,
    base_path: Path | str,
    *,
    version: int | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Path:
    """Publishes a run's model as the next version of a servable.

    Args:
        run_dir: the folder of a finished training.
        base_path: the folder of the version folders, such as "servables/detector"; its name is the model's name.
        version: number of the version; one more than the highest if None.
        on_progress: is told what is being done.

    Returns:
        The version folder: a new one, or the newest one if it was made from this very run.

    Raises:
        ConfigError: the version is there already, or no such run is.
        ServableError: the exported model does not give the trained model's logits.
    """
    model, run = runs.load_run(run_dir)
    spec = spec_of_run(run, run_dir, Path(base_path).resolve().name)
    source = {"spec": _without_version(spec), "weights_sha256": weights_sha256(model)}
    existing = _newest_if_made_from(Path(base_path), source)
    if existing and version in (None, int(existing.name)):
        return existing
    return export_model(model, spec, base_path, version=version, source=source, on_progress=on_progress)


def export_model(
    model: keras.Model,
    spec: ServableSpec,
    base_path: Path | str,
    *,
    version: int | None = None,
    source: Mapping[str, Any] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Path:
    """Publishes a Keras model as the next version of a servable.

    Args:
        model: {"clips": [B, T, H, W, 3] in [0, 255], "mask": bool [B, T]} -> logit [B].
        spec: what the servable will say of itself; its version is filled in here.
        base_path: the folder of the version folders.
        version: number of the version; one more than the highest if None.
        source: what it was made from, kept beside the model.
        on_progress: is told what is being done.

    Returns:
        The version folder.

    Raises:
        ConfigError: the version is there already.
        ServableError: the exported model does not give this model's logits.
    """
    tell = on_progress or (lambda what: None)
    base = Path(base_path)
    number = next_version(base) if version is None else version
    if number < 1 or number in version_dirs(base):
        raise ConfigError(
            f"Version {number} of {base} is there already, or is below 1. Choose another, or leave it out."
        )
    spec = dataclasses.replace(spec, model_version=number)
    base.mkdir(parents=True, exist_ok=True)
    # A model server ignores what is not a number, so a half-written export is never served.
    folder = base / f".tmp-{number}-{os.getpid()}"
    try:
        tell("writing the SavedModel")
        _write(model, spec, folder)
        (folder / SOURCE_FILE).write_text(json.dumps(dict(source or {}), indent=2, sort_keys=True) + "\n")
        tell("checking it through a session")
        check(folder, model, spec)
        os.rename(folder, base / str(number))
    except OSError as error:
        raise ConfigError(f"Cannot publish version {number} in {base}: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return base / str(number)


def check(folder: Path | str, model: keras.Model, spec: ServableSpec) -> float:
    """Holds an exported model against the Keras model that it was made from.

    Args:
        folder: the SavedModel.
        model: what it was made from.
        spec: what it must say of itself.

    Returns:
        The largest difference between two logits, at several batch sizes, with and without missing crops.

    Raises:
        ServableError: logits, scores or spec differ, or it has operations that a model server cannot run.
    """
    _check_ops(Path(folder))
    exported = SavedModel(folder)
    try:
        if read_spec(exported) != spec:
            raise ServableError(f"The exported model says another spec than it was given: {read_spec(exported)}")
        replay_warmup(exported)
        shape = (spec.clip_spec.num_frames, spec.clip_spec.crop_size_px)
        # B = 1 and B != T are where a model that mixes up batch and time shows it.
        return max(_difference(exported, model, batch, *shape) for batch in (1, 2, shape[0] + 1))
    finally:
        exported.close()


# The graph ----------------------------------------------------------------------------------------------------------
# Shapes: B clips, T frames, H = W = S pixels.


def _write(model: keras.Model, spec: ServableSpec, folder: Path) -> None:
    num_frames, size = spec.clip_spec.num_frames, spec.clip_spec.crop_size_px
    mask = tf.TensorSpec([None, num_frames], tf.bool, schema.INPUT_MASK)
    jpeg_clips = tf.TensorSpec([None, num_frames], tf.string, schema.INPUT_CLIPS)
    pixel_clips = tf.TensorSpec([None, num_frames, size, size, 3], tf.uint8, schema.INPUT_CLIPS)
    request = tf.TensorSpec([None], tf.int32, schema.INPUT_SPEC_REQUEST)
    text = spec.to_text()

    # A function of the graph, which both signatures call: each would trace the whole network twice over by itself.
    @tf.function(input_signature=[pixel_clips, mask], autograph=False)
    def judge(clips: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        clips = tf.ensure_shape(clips, [None, num_frames, size, size, 3])
        mask = tf.ensure_shape(mask, [None, num_frames])
        logit = model({schema.INPUT_CLIPS: clips, schema.INPUT_MASK: mask}, training=False)
        logit = tf.cast(tf.reshape(logit, [-1]), tf.float32)
        return {schema.OUTPUT_LOGIT: logit, schema.OUTPUT_SCORE: tf.sigmoid(logit)}

    @tf.function(autograph=False)
    def judge_jpeg(clips: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        return judge(_decode(clips, size), mask)

    @tf.function(autograph=False)
    def judge_pixels(clips: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        return judge(clips, mask)

    @tf.function(autograph=False)
    def say_spec(request: tf.Tensor) -> dict[str, tf.Tensor]:
        return {schema.OUTPUT_SPEC: tf.fill(tf.shape(request), tf.constant(text))}

    leave_cudnn(model)
    servable = tf.Module()
    # Its variables are all that a graph needs of a model: to look through every layer for what else it holds, as Keras'
    # own export does, takes longer than all the rest.
    servable.weights = [variable.value for variable in model.variables]
    signatures = {
        schema.SIGNATURE_JPEG: judge_jpeg.get_concrete_function(jpeg_clips, mask),
        schema.SIGNATURE_PIXELS: judge_pixels.get_concrete_function(pixel_clips, mask),
        schema.SIGNATURE_SPEC: say_spec.get_concrete_function(request),
    }
    tf.saved_model.save(servable, str(folder), signatures=signatures)
    (folder / WARMUP_FILE).parent.mkdir(exist_ok=True)
    _write_warmup(spec, folder / WARMUP_FILE)


def leave_cudnn(model: keras.Model) -> None:
    """Makes recurrent layers run everywhere; what was trained on cuDNN has the same weights without it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            leave_cudnn(layer)
        for one in (layer, getattr(layer, "forward_layer", None), getattr(layer, "backward_layer", None)):
            if one is not None and hasattr(one, "use_cudnn"):
                one.use_cudnn = False


def _decode(clips: tf.Tensor, size: int) -> tf.Tensor:
    """Decodes JPEG as OpenCV does, to the last bit, which is what the model was trained on.

    Args:
        clips: string [B, T].
        size: S.

    Returns:
        uint8 [B, T, S, S, 3].
    """

    def decode(crop: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.io.decode_jpeg(crop, channels=3, dct_method="INTEGER_ACCURATE"), [size, size, 3])

    crops = tf.map_fn(decode, tf.reshape(clips, [-1]), fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8))
    return tf.reshape(crops, tf.concat([tf.shape(clips), [size, size, 3]], axis=0))


# Warm-up ------------------------------------------------------------------------------------------------------------


def _write_warmup(spec: ServableSpec, path: Path) -> None:
    """Writes one request for each way the predictor and a curious user ask: the first of each is slow otherwise.

    A video's last request has the clips that are left, so that there are requests of every size.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    def record(signature: str, inputs: Mapping[str, NDArray[Any]], *outputs: str) -> bytes:
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name = spec.model_name
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        log = prediction_log_pb2.PredictLog(request=request)
        return bytes(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())

    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in range(1, MAX_CLIPS_PER_REQUEST + 1):
            jpeg, _ = _sample_inputs(batch, spec.clip_spec.num_frames, spec.clip_spec.crop_size_px)
            writer.write(record(schema.SIGNATURE_JPEG, jpeg, schema.OUTPUT_LOGIT))
        jpeg, pixels = _sample_inputs(1, spec.clip_spec.num_frames, spec.clip_spec.crop_size_px)
        writer.write(record(schema.SIGNATURE_JPEG, jpeg))
        writer.write(record(schema.SIGNATURE_PIXELS, pixels))
        writer.write(record(schema.SIGNATURE_SPEC, {schema.INPUT_SPEC_REQUEST: np.zeros([1], np.int32)}))


# Checks -------------------------------------------------------------------------------------------------------------


def _sample_inputs(batch: int, num_frames: int, size: int) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Returns the same clips as JPEG and as pixels; in every second clip the last crop is missing."""
    rng = np.random.default_rng(batch)
    coarse = rng.integers(0, 256, [batch, num_frames, 4, 4, 3], np.uint8)
    repeat = -(-size // 4)
    pictures = coarse.repeat(repeat, axis=2).repeat(repeat, axis=3)[:, :, :size, :size]
    jpeg = np.empty([batch, num_frames], object)
    pixels = np.empty_like(pictures)
    for index in np.ndindex(batch, num_frames):
        jpeg[index] = tf.io.encode_jpeg(pictures[index], quality=95).numpy()
        pixels[index] = tf.io.decode_jpeg(jpeg[index], dct_method="INTEGER_ACCURATE").numpy()
    mask = np.ones([batch, num_frames], np.bool_)
    mask[1::2, -1] = num_frames == 1
    return (
        {schema.INPUT_CLIPS: jpeg, schema.INPUT_MASK: mask},
        {schema.INPUT_CLIPS: pixels, schema.INPUT_MASK: mask},
    )


def _difference(exported: SavedModel, model: keras.Model, batch: int, num_frames: int, size: int) -> float:
    jpeg, pixels = _sample_inputs(batch, num_frames, size)
    expected = np.reshape(keras.ops.convert_to_numpy(model(pixels, training=False)), [-1])
    expected_score = 1 / (1 + np.exp(-expected.astype(np.float64)))
    differences = []
    for signature, inputs in [(schema.SIGNATURE_JPEG, jpeg), (schema.SIGNATURE_PIXELS, pixels)]:
        outputs = exported.run(signature, inputs)
        logit, score = outputs[schema.OUTPUT_LOGIT], outputs[schema.OUTPUT_SCORE]
        if logit.shape != (batch,) or score.shape != (batch,):
            raise ServableError(
                f"{signature} must give {batch} logits and scores. Received: {logit.shape}, {score.shape}"
            )
        differences += [np.abs(logit - expected), np.abs(score - expected_score)]
    worst = float(np.max(differences))
    # Not "worst > TOLERANCE": a logit that is no number must not pass.
    if not worst <= TOLERANCE:
        raise ServableError(
            f"The exported model's logits lie {worst:.2g} from the trained model's at batch size {batch}; "
            f"{TOLERANCE:g} is allowed. Look for layers that behave otherwise in a graph."
        )
    return worst


def _check_ops(folder: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for meta_graph in saved.meta_graphs:
        functions = meta_graph.graph_def.library.function
        nodes = [*meta_graph.graph_def.node, *(node for function in functions for node in function.node_def)]
        ops = {node.op for node in nodes} - {function.signature.name for function in functions}
        bad = {op for op in ops if op.startswith(FORBIDDEN_OPS) or not _runs_on_cpu(op)}
        bad |= {"jit_compile" for function in functions if function.attr["_XlaMustCompile"].b}
        if bad:
            raise ServableError(
                f"A model server cannot run {', '.join(sorted(bad))}. Build the model with use_cudnn=False in "
                "recurrent layers, without jit_compile, and from Keras operations only."
            )


def _runs_on_cpu(op: str) -> bool:
    """Whether every server has a kernel for it: cuDNN's, for one, are on GPUs alone."""
    from tensorflow.python.framework import kernels

    return any(kernel.device_type in ("CPU", "DEFAULT") for kernel in kernels.get_registered_kernels_for_op(op).kernel)


# Sources -----------------------------------------------------------------------------------------------


def spec_of_run(run: Mapping[str, Any], run_dir: Path | str, model_name: str) -> ServableSpec:
    """Returns what an exported model says of itself.

    Args:
        run: what its run.json holds.
        run_dir: the folder of the run, which may hold a calibration.
        model_name: name that it is served under.

    Raises:
        DataError: run.json does not hold what an export needs.
    """
    try:
        clip_spec = ClipSpec.from_json(run["data"]["clip_spec"])
        fingerprint = str(run["data"]["fingerprint"])
    except (KeyError, TypeError) as error:
        raise DataError(f"run.json does not hold what an export needs: {error}. Train again.") from error
    chosen, chosen_on = decision.read(run_dir, run)
    return ServableSpec(
        clip_spec=clip_spec,
        model_name=model_name,
        joining=chosen.joining,
        calibration=chosen.calibration,
        threshold=chosen.threshold,
        band=chosen.band,
        training_data=fingerprint,
        score_histogram=tuple((chosen_on or {}).get("score_histogram", ())),
    )


def _without_version(spec: ServableSpec) -> dict[str, Any]:
    return {name: value for name, value in json.loads(spec.to_text()).items() if name != "model_version"}


def weights_sha256(model: keras.Model) -> str:
    """Returns a hash that is equal for equal weights, whatever the layers are called."""
    digest = hashlib.sha256()
    # Without names, which Keras numbers anew in each process, and without the state of random generators.
    for variable in model.weights:
        digest.update(f"{variable.shape} {variable.dtype}".encode())
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    return digest.hexdigest()


def _newest_if_made_from(base: Path, source: Mapping[str, Any]) -> Path | None:
    versions = version_dirs(base)
    if not versions:
        return None
    newest = versions[max(versions)]
    try:
        return newest if json.loads((newest / SOURCE_FILE).read_text()) == source else None
    except (OSError, ValueError):
        return None
