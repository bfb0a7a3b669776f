"""The state of an unfinished training: everything needed to go on with the weights that would have come.

    RUN/state.npz    every variable of the network and its optimizers, how far the run is, and what it is told

It is gone once the run is finished.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import atomic
from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.history import Epoch

STATE_FILE = "state.npz"


@dataclass
class Standing:
    """How far a run is.

    Attributes:
        history: the epochs that are done.
        step: batches done of the next one.
        losses: the loss of each of these batches.
        labels: of their clips, [N] each; of this machine's part.
        logits: likewise, as they were given.
    """

    history: list[Epoch] = field(default_factory=list)
    step: int = 0
    losses: list[float] = field(default_factory=list)
    labels: list[NDArray[np.float64]] = field(default_factory=list)
    logits: list[NDArray[np.float64]] = field(default_factory=list)

    def begin_epoch(self) -> None:
        """Nothing is done of the next epoch."""
        self.step, self.losses, self.labels, self.logits = 0, [], [], []


def write_state(
    run_dir: Path, variables: Sequence[keras.Variable], identity: Mapping[str, Any], standing: Standing
) -> None:
    """Writes the state between two changes of the weights.

    Args:
        run_dir: the run's folder.
        variables: all of them. By order, because Keras' own weight files leave out what dropout draws from.
        identity: what the run is told: its settings, and the fingerprint of its data.
        standing: how far it is.
    """
    arrays = {f"variable_{number}": np.asarray(one) for number, one in enumerate(variables)}
    arrays |= {name: np.concatenate([[], *getattr(standing, name)]) for name in ("labels", "logits")}
    text = json.dumps({"identity": identity, "history": standing.history, "step": standing.step})
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, text=np.array(text), losses=np.array(standing.losses, np.float64), **arrays)
    atomic.write_whole(run_dir / STATE_FILE, buffer.getvalue())


def read_state(run_dir: Path, variables: Sequence[keras.Variable], identity: Mapping[str, Any]) -> Standing:
    """Puts the state, if there is one, into the variables; returns how far the run is.

    Raises:
        ConfigError: the folder holds the state of a run with other settings or other data, or of another release.
    """
    path = run_dir / STATE_FILE
    if not path.is_file():
        return Standing()
    with np.load(path) as arrays:
        state = json.loads(str(arrays["text"]))
        if _that_matters(state["identity"]) != _that_matters(identity):
            raise ConfigError(
                f"{path.parent} holds an unfinished run with other settings or other data, or of another release. "
                "Choose another --out, or delete it."
            )
        for number, variable in enumerate(variables):
            variable.assign(arrays[f"variable_{number}"])
        losses, labels, logits = arrays["losses"].tolist(), arrays["labels"], arrays["logits"]
    return Standing(state["history"], state["step"], losses, [labels], [logits])


def _that_matters(identity: Mapping[str, Any]) -> dict[str, Any]:
    if identity.get("settings", {}).get("schedule") == "cosine":
        return dict(identity)
    # A run may go on for longer than was first said: nothing that was done depends on it.
    return {**identity, "settings": {**identity["settings"], "epochs": None}}
