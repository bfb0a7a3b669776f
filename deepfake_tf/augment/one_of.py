"""Runs one op of several, or none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepfake_tf.augment import ClipArray, ClipOp


@dataclass(frozen=True)
class Op:
    """Runs one of several ops, each as likely as the others.

    Attributes:
        ops: to choose from; they should have a probability of 1.
        probability: chance that any of them is run, in [0, 1].
    """

    ops: Sequence[ClipOp] = ()
    probability: float = 0.5

    @property
    def per_frame(self) -> bool:
        """Whether any of the ops changes frames differently."""
        return any(op.per_frame for op in self.ops)

    def __call__(self, clip: ClipArray, seed: int) -> ClipArray:
        """Returns the changed clip, uint8 [T, H, W, 3]."""
        random = np.random.default_rng(seed)
        if not self.ops or random.random() >= self.probability:
            return clip
        return self.ops[int(random.integers(len(self.ops)))](clip, int(random.integers(2**32)))
