"""The folder of a finished training, or of a finished probe.

    RUN/model.keras    the weights of the best epoch; of a probe, its frozen backbone's
    RUN/history.csv    one row an epoch
    RUN/timing.json    where the time of loading went, by stage, since the training was last started
    RUN/probe.npz      of a probe, what was fitted on embeddings
    RUN/run.json       {format_version, kind, settings, environment, data, result}, written last: it marks the run
                       finished

An unfinished training has a state.npz besides, see training_state.py.
"""

import json
import os
import platform
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import keras

import deepfake_tf
from deepfake_tf import atomic
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.learning.settings import PROBE, RUN_VERSION, TrainSettings, read_run
from deepfake_tf.model import build_model
from deepfake_tf.probing import probe_model
from deepfake_tf.probing.probe_settings import ProbeSettings
from deepfake_tf.records import read_index
from deepfake_tf.schema import ClipSpec

RUN_FILE = "run.json"
MODEL_FILE = "model.keras"
TIMING_FILE = "timing.json"
TRAINING = "training"
"""The "kind" in the run.json of a training; that of a probe is PROBE."""

# How many clips a video gives may differ between training and evaluation; how a clip is made may not.
_FREE_SETTINGS = {"clips_per_video", "clip_stride", "max_tracks"}


def load_run(run_dir: Path | str) -> tuple[keras.Model, dict[str, Any]]:
    """Loads a finished run.

    The model is built anew from its settings, and its weights put into it: those of the best epoch, or what a probe
    fitted and the backbone that it was fitted on.

    Args:
        run_dir: a folder that `train` or `probe` made.

    Returns:
        The model ({"clips", "mask"} -> logit [B]) and what run.json holds.

    Raises:
        ConfigError: there is no finished run, or one of another version.
        DataError: its model.keras is missing, or does not fit the settings.
    """
    run = read_run(run_dir)
    folder = Path(run_dir) if Path(run_dir).is_dir() else Path(run_dir).parent
    spec = ClipSpec.from_json(run["data"]["clip_spec"])
    if run.get("kind") == PROBE:
        fitted_path = folder / probe_model.FITTED_FILE
        model, weighted = probe_model.build_unweighted(ProbeSettings.from_json(run["settings"]), spec, fitted_path)
    else:
        model = build_model(TrainSettings.from_json(run["settings"]).model(spec), initial_weights=False)
        weighted = model
    _load_weights(weighted, folder / MODEL_FILE)
    return model, run


def _load_weights(model: keras.Model, path: Path) -> None:
    if not path.is_file():
        raise DataError(f"There is no {path}. Expected the weights of the run; train again into a new folder.")
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers that it found no weights for.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        raise DataError(f"{path} does not hold the weights that run.json describes ({error}).") from error


def check_spec(run: Mapping[str, Any], found: ClipSpec, data_dir: Path | str) -> None:
    """Checks that clips were made as those that a run learned from.

    Args:
        run: what its run.json holds.
        found: how the clips were made.
        data_dir: where they lie.

    Raises:
        ConfigError: they were made in another way.
    """
    have, want = found.to_json(), ClipSpec.from_json(run["data"]["clip_spec"]).to_json()
    wrong = [
        f"{name} {have[name]} instead of {want[name]}"
        for name in want
        if name not in _FREE_SETTINGS and have[name] != want[name] and not _has_more_frames(name, have, want)
    ]
    if wrong:
        raise ConfigError(
            f"The clips of {data_dir} were made in another way than those the model learned from: {', '.join(wrong)}. "
            "Extract the videos again with the model's settings."
        )


def _has_more_frames(name: str, have: Mapping[str, Any], want: Mapping[str, Any]) -> bool:
    """Whether it is only that more frames are stored than the model takes, which is no hindrance."""
    return name == "num_frames" and have[name] > want[name]


def find_finished(run_dir: Path, settings: TrainSettings, fingerprint: str) -> dict[str, Any] | None:
    """Returns what the run.json of a finished training holds, or nothing if there is none.

    Args:
        run_dir: where it would be.
        settings: what it must have been told.
        fingerprint: of the data that it must have seen.

    Raises:
        ConfigError: there is one with other settings or other data.
    """
    if not (run_dir / RUN_FILE).is_file():
        return None
    run = read_run(run_dir)
    if run["settings"] != settings.to_json() or run["data"]["fingerprint"] != fingerprint:
        raise ConfigError(
            f"{run_dir} holds a finished run with other settings or other data. Choose another --out, or delete it."
        )
    return run


def write_run(
    run_dir: Path, settings: TrainSettings | ProbeSettings, *, data: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, Any]:
    """Writes run.json, which marks the run finished: after everything else in the folder.

    Args:
        run_dir: the run's folder.
        settings: what was told.
        data: what `describe_data` says of it.
        result: what came of it.

    Returns:
        What run.json holds.
    """
    run = describe_run(settings, data=data, result=result)
    atomic.write_whole(run_dir / RUN_FILE, (json.dumps(run, indent=2) + "\n").encode())
    return run


def describe_run(
    settings: TrainSettings | ProbeSettings, *, data: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns what run.json holds, see `write_run`."""
    return {
        "format_version": RUN_VERSION,
        "kind": PROBE if isinstance(settings, ProbeSettings) else TRAINING,
        "settings": settings.to_json(),
        "environment": describe_environment(),
        "data": dict(data),
        "result": dict(result),
    }


def write_model(run_dir: Path, model: keras.Model) -> None:
    """Writes model.keras, which appears whole."""
    # Keras wants a path that ends as its format does.
    partial = run_dir / f".partial-{MODEL_FILE}"
    model.save(partial)
    os.replace(partial, run_dir / MODEL_FILE)


def describe_data(data_dir: Path | str, tables: Mapping[str, ClipTable]) -> dict[str, Any]:
    """Returns what run.json says of the data: where they lie, how they were made, what each split holds."""
    spec = tables["train"].spec
    return {
        "path": str(data_dir),
        "fingerprint": read_index(data_dir).fingerprint(),
        "clip_spec": spec.to_json(),
        "splits": {
            split: {
                "num_videos": len(set(clips.video_ids)),
                "num_groups": len(set(clips.groups)),
                "num_clips": clips.label_counts(),
            }
            for split, clips in tables.items()
        },
    }


def describe_environment() -> dict[str, Any]:
    """Returns the versions of what a run depends on."""
    packages = ("tensorflow", "keras", "numpy", "opencv-python", "albumentations", "scikit-learn")
    return {
        "deepfake_tf": deepfake_tf.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: metadata.version(name) for name in packages},
    }
