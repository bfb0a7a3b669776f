"""A trained model for small machines: .tflite files, in float32, float16 and int8, that LiteRT runs without TensorFlow.

    run --load_run--> Keras model --SavedModel of one clip--> converter --> .tflite + spec.json --check--> renamed

One clip at a time, with all shapes fixed: what runs on a phone has no batch. Recurrent layers are unrolled over the T
frames, so that nothing but LiteRT's built-in operations is needed. int8 stores weights and activations in 8 bits,
in ranges that it sees on example clips; edge.py measures how near each kind comes.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepfake_tf import atomic, native_output, schema
from deepfake_tf.errors import ServableError
from deepfake_tf.export import leave_cudnn
from deepfake_tf.predictors.litert import SOURCE_FILE, SPEC_FILE, SUFFIX, read_text
from deepfake_tf.schema import ServableSpec

Kind = Literal["float32", "float16", "int8"]
KINDS: tuple[Kind, ...] = ("float32", "float16", "int8")

Example = tuple[NDArray[np.uint8], NDArray[np.bool_]]
"""Pixels uint8 [T, H, W, 3] and mask bool [T] of one clip."""

TOLERANCE = 1e-3
"""How far a float32 file's logit may lie from the trained model's."""

_RUN_ONE = """
import sys
import numpy as np
from deepfake_tf.predictors.litert import LiteRTPredictor
clip = np.load(sys.argv[2])
print(LiteRTPredictor(sys.argv[1]).logit(clip["pixels"], clip["mask"]))
"""


def export_litert(
    model: keras.Model,
    spec: ServableSpec,
    paths: Mapping[Kind, Path],
    *,
    examples: Sequence[Example],
    source: Mapping[str, Any] | None = None,
    on_progress: Callable[[Kind], None] | None = None,
) -> dict[Kind, bool]:
    """Writes .tflite files with their spec inside.

    Args:
        model: {"clips": [B, T, H, W, 3] in [0, 255], "mask": bool [B, T]} -> logit [B].
        spec: what the files will say of themselves.
        paths: of the file of each kind that is wanted; their folder is there.
        examples: clips such as they will see; int8 takes its ranges from them, and one is run to check each file.
        source: what they are made from; a file that was made from the same is left as it is.
        on_progress: is told which kind is being made.

    Returns:
        Of each kind, whether it was made now; False if it was there, made from the same.

    Raises:
        ServableError: the network cannot be converted, or a file does not give the model's logits.
    """
    made_from = {
        kind: json.dumps({**(source or {}), "kind": kind, "spec": spec.to_text()}, sort_keys=True) for kind in paths
    }
    missing = {kind: path for kind, path in paths.items() if not source or _made_from(path) != made_from[kind]}
    if missing:
        with _saved_for_one_clip(model, spec) as saved:
            for kind, path in missing.items():
                if on_progress:
                    on_progress(kind)
                data = _pack(convert(saved, kind, examples), spec.to_text(), made_from[kind])
                _check(model, data, kind, examples[0])
                atomic.write_whole(path, data)
    return {kind: kind in missing for kind in paths}


@contextlib.contextmanager
def _saved_for_one_clip(model: keras.Model, spec: ServableSpec) -> Iterator[str]:
    """Yields the folder of a SavedModel with the signature `pixels`, all of whose shapes are fixed."""
    num_frames, size = spec.clip_spec.num_frames, spec.clip_spec.crop_size_px
    clips = tf.TensorSpec([1, num_frames, size, size, 3], tf.uint8, schema.INPUT_CLIPS)
    mask = tf.TensorSpec([1, num_frames], tf.bool, schema.INPUT_MASK)

    def judge(clips: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        logit = model({schema.INPUT_CLIPS: tf.cast(clips, tf.float32), schema.INPUT_MASK: mask}, training=False)
        return {schema.OUTPUT_LOGIT: tf.reshape(tf.cast(logit, tf.float32), [1])}

    with tempfile.TemporaryDirectory() as folder:
        with _unrolled(model):
            archive = keras.export.ExportArchive()
            archive.track(model)
            archive.add_endpoint(schema.SIGNATURE_PIXELS, judge, [clips, mask])
            archive.write_out(folder, verbose=False)
        yield folder


def convert(saved_model: str, kind: Kind, examples: Sequence[Example]) -> bytes:
    """Returns the flat buffer of a SavedModel's signature `pixels`.

    Args:
        saved_model: its folder.
        kind: one of KINDS.
        examples: for int8.

    Raises:
        ServableError: LiteRT has no operation for something in the network.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[schema.SIGNATURE_PIXELS])
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "int8":
        converter.representative_dataset = lambda: (
            {schema.INPUT_CLIPS: pixels[None], schema.INPUT_MASK: there[None]} for pixels, there in examples
        )
    try:
        with native_output.silenced(), warnings.catch_warnings():
            # TensorFlow's own interpreter, which int8 takes its ranges with, says that it will go.
            warnings.simplefilter("ignore", UserWarning)
            return bytes(converter.convert())
    except Exception as error:  # the converter has a class of its own for its errors, and raises others as well
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise ServableError(
            f"This network cannot be converted to {kind} for LiteRT: {lines[0][:200]}. Serve its SavedModel, or "
            "train another backbone or head; `python -m tests.benchmarks.edge` lists those that can be converted."
        ) from error


def _pack(data: bytes, spec: str, source: str) -> bytes:
    packed = io.BytesIO()
    packed.write(data)
    with zipfile.ZipFile(packed, "a") as archive:
        for name, text in ((SPEC_FILE, spec), (SOURCE_FILE, source)):
            # With a date of its own the same model would be another file each time.
            archive.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


@contextlib.contextmanager
def _unrolled(model: keras.Model) -> Iterator[None]:
    """Lets recurrent layers run as T steps in a row, not as a loop; they are as they were afterwards."""
    leave_cudnn(model)
    changed = [one for one in _recurrent(model) if not one.unroll]
    for layer in changed:
        layer.unroll = True
    try:
        yield
    finally:
        for layer in changed:
            layer.unroll = False


def _recurrent(model: keras.Model) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _recurrent(layer)
        for one in (layer, getattr(layer, "forward_layer", None), getattr(layer, "backward_layer", None)):
            if one is not None and hasattr(one, "unroll"):
                yield one


def _check(model: keras.Model, data: bytes, kind: Kind, example: Example) -> None:
    pixels, there = example
    expected = float(np.ravel(model({schema.INPUT_CLIPS: pixels[None], schema.INPUT_MASK: there[None]}))[0])
    got = _run_apart(data, kind, example)
    # What 8 or 16 bits change is measured, and is for a person to judge; what is no number, or another model, is not.
    allowed = TOLERANCE if kind == "float32" else np.inf
    if not (np.isfinite(got) and abs(got - expected) <= allowed):
        raise ServableError(
            f"The {kind} file gives the logit {got:.4g} where the trained model gives {expected:.4g}. "
            "Serve its SavedModel, or train another backbone or head."
        )


def _run_apart(data: bytes, kind: Kind, example: Example) -> float:
    """Returns what LiteRT makes of a clip, in a process of its own: it may crash, as it does on CoAtNet in int8."""
    with tempfile.TemporaryDirectory() as folder:
        path, clip = Path(folder) / f"model{SUFFIX}", Path(folder) / "clip.npz"
        path.write_bytes(data)
        np.savez(clip, pixels=example[0], mask=example[1])
        done = subprocess.run(
            [sys.executable, "-c", _RUN_ONE, str(path), str(clip)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        last_line = (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
        how = f"signal {-done.returncode}" if done.returncode < 0 else last_line
        raise ServableError(
            f"LiteRT cannot run the {kind} file of this network ({how}), and it was not written. Leave {kind} out with "
            "--kinds, serve its SavedModel, or train another backbone."
        )
    return float(done.stdout.split()[-1])


def _made_from(path: Path) -> str:
    try:
        return read_text(path, SOURCE_FILE)
    except ServableError:
        return ""
