"""A .tflite file in this process, run by LiteRT's interpreter: no TensorFlow, a few MB of code, one clip at a time.

The file is a flat buffer with a ZIP archive behind it, as LiteRT's own metadata does it: `unzip -p x.tflite spec.json`
shows what the model says of itself. Crops are decoded before the graph, to the pixels that the model was trained on.
"""

import os
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import native_output, schema
from deepfake_tf.crops import decode_jpeg
from deepfake_tf.errors import ConfigError, PredictorUnavailableError, ServableError
from deepfake_tf.predictors import DEFAULT_DEADLINE_SEC
from deepfake_tf.schema import ServableSpec

SUFFIX = ".tflite"
SPEC_FILE = "spec.json"
SOURCE_FILE = "source.json"
_MAX_TEXT_BYTES = 1024**2


class LiteRTPredictor:
    """Judges clips with one .tflite file. Threads may share it; they take turns."""

    def __init__(self, path: Path | str, *, num_threads: int | None = None) -> None:
        """Loads the file.

        Args:
            path: made by pipelines.litert.
            num_threads: of the interpreter; the machine's if None.

        Raises:
            ConfigError: LiteRT is not installed.
            ServableError: the file is no such model, or its spec is of an unknown format.
        """
        self._spec = ServableSpec.from_text(read_text(path, SPEC_FILE))
        self._lock = threading.Lock()
        # It would say what it runs on.
        with native_output.silenced():
            interpreter = _interpreter(Path(path), num_threads or os.cpu_count() or 1)
            if schema.SIGNATURE_PIXELS not in interpreter.get_signature_list():
                raise ServableError(
                    f"{path} has no signature {schema.SIGNATURE_PIXELS!r}. Make it with pipelines.litert."
                )
            self._run = interpreter.get_signature_runner(schema.SIGNATURE_PIXELS)

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
        if spec.model_version != self._spec.model_version:
            raise PredictorUnavailableError(
                f"Version {spec.model_version} is not loaded here. Loaded: version {self._spec.model_version}."
            )
        size, num_frames = self._spec.clip_spec.crop_size_px, self._spec.clip_spec.num_frames
        logits = np.empty([len(clips)], np.float32)
        for number, (crops, there) in enumerate(zip(clips, np.asarray(mask, np.bool_), strict=True)):
            pixels = _decode(crops)
            if pixels.shape != (num_frames, size, size, 3) or there.shape != (num_frames,):
                raise ServableError(
                    f"The model cannot judge these clips: it takes {num_frames} crops of {size} x {size} px. "
                    f"Received: {pixels.shape}, mask {there.shape}"
                )
            logits[number] = self.logit(pixels, there)
        return logits

    def logit(self, pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
        """Returns the logit of one clip.

        Args:
            pixels: uint8 [T, H, W, 3] RGB.
            mask: bool [T], which of the crops are there.
        """
        with self._lock:
            outputs = self._run(**{schema.INPUT_CLIPS: pixels[None], schema.INPUT_MASK: mask[None]})
        return float(outputs[schema.OUTPUT_LOGIT][0])

    def close(self) -> None:
        """Frees the model."""
        self._run = None


def open_predictor(target: str | os.PathLike[str]) -> LiteRTPredictor:
    """Opens a .tflite file.

    Args:
        target: its path.
    """
    return LiteRTPredictor(Path(target))


def read_text(path: Path | str, name: str) -> str:
    """Returns one of the texts that lie behind the flat buffer.

    Args:
        path: a .tflite file.
        name: SPEC_FILE or SOURCE_FILE.

    Raises:
        ServableError: the file has no such text.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as file:
            return file.read(_MAX_TEXT_BYTES).decode()
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ServableError(
            f"{path} holds no {name}: it was not made by pipelines.litert, or it is damaged ({error})."
        ) from error


def _interpreter(path: Path, num_threads: int):  # type: ignore[no-untyped-def]
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ConfigError(
            f"LiteRT is not installed ({error}). Install it: pip install 'deepfake-tf[litert]'"
        ) from error
    try:
        interpreter = Interpreter(model_path=str(path), num_threads=num_threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ServableError(f"{path} cannot be loaded: {error}. Make it again with pipelines.litert.") from error
    return interpreter


def _decode(crops: Sequence[bytes]) -> NDArray[np.uint8]:
    try:
        return np.stack([decode_jpeg(crop) for crop in crops])
    except (TypeError, ValueError, cv2.error) as error:
        raise ServableError(f"The model cannot judge these clips: a crop is no JPEG file ({error}).") from error
