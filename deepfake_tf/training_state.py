"""The state of an unfinished training: everything needed to go on with the weights that would have come.

    RUN/state.npz    every variable of the model and the optimizer, the history so far, and what the run is told

It is gone once the run is finished.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deepfake_tf import atomic
from deepfake_tf.errors import ConfigError
from deepfake_tf.history import Epoch

STATE_FILE = "state.npz"


def _state_variables(trainer: keras.Model) -> list[keras.Variable]:
    # All of them by order, because Keras' own weight files leave out the states of the dropout layers' generators.
    return [*trainer.variables, *trainer.optimizer.variables]


def write_state(run_dir: Path, trainer: keras.Model, identity: Mapping[str, Any], history: list[Epoch]) -> None:
    """Writes the state after an epoch.

    Args:
        run_dir: the run's folder.
        trainer: compiled, its optimizer built.
        identity: what the run is told: its settings, and the fingerprint of its data.
        history: the epochs so far.
    """
    arrays = {f"variable_{number}": np.asarray(one) for number, one in enumerate(_state_variables(trainer))}
    text = json.dumps({"identity": identity, "history": history})
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, text=np.array(text), **arrays)
    atomic.write_whole(run_dir / STATE_FILE, buffer.getvalue())


def read_state(run_dir: Path, trainer: keras.Model, identity: Mapping[str, Any]) -> list[Epoch]:
    """Puts the state, if there is one, into the trainer; returns the history so far.

    Raises:
        ConfigError: the folder holds the state of a run with other settings or other data.
    """
    path = run_dir / STATE_FILE
    if not path.is_file():
        return []
    with np.load(path) as arrays:
        state = json.loads(str(arrays["text"]))
        if _without_epochs(state["identity"]) != _without_epochs(identity):
            raise ConfigError(
                f"{path.parent} holds an unfinished run with other settings or other data. "
                "Choose another --out, or delete it."
            )
        for number, variable in enumerate(_state_variables(trainer)):
            variable.assign(arrays[f"variable_{number}"])
    return state["history"]


def _without_epochs(identity: Mapping[str, Any]) -> dict[str, Any]:
    # A run may go on for longer than was first said: nothing that was done depends on it.
    return {**identity, "settings": {**identity["settings"], "epochs": None}}
