"""Predictors: clips in, logits out. A predictor is a file here, and `open_predictor(target)` opens it.

`saved_model` runs a servable in this process, `litert` a .tflite file, `tf_serving` asks a TensorFlow Serving server.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepfake_tf.schema import ServableSpec

DEFAULT_DEADLINE_SEC = 60.0


class Predictor(Protocol):
    """What gives logits for clips. Threads may share one."""

    def spec(self, *, deadline_sec: float = DEFAULT_DEADLINE_SEC) -> ServableSpec:
        """Returns what the newest version of the model says of itself.

        Args:
            deadline_sec: how long it may take.

        Raises:
            PredictorError: the model does not answer.
            ServableError: it answers with a spec that this program does not know.
        """

    def predict(
        self,
        clips: Sequence[Sequence[bytes]],
        mask: NDArray[np.bool_],
        *,
        spec: ServableSpec,
        deadline_sec: float = DEFAULT_DEADLINE_SEC,
    ) -> NDArray[np.float32]:
        """Returns one logit for each clip.

        Args:
            clips: B clips of T JPEG crops.
            mask: bool [B, T], which of the crops are there.
            spec: what the clips were made by; the version that said it is the one that is asked.
            deadline_sec: how long it may take.

        Returns:
            float32 [B].

        Raises:
            PredictorError: the model does not answer, or with something else.
        """

    def close(self) -> None:
        """Lets go of the model."""
