"""Curves for TensorBoard: tensorboard --logdir RUN/tensorboard. TensorBoard itself is not needed to write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import tensorflow as tf

TENSORBOARD_FOLDER = "tensorboard"


class EventFile:
    """One file of events, begun anew by each process that trains the run."""

    def __init__(self, run_dir: Path) -> None:
        self._writer = tf.summary.create_file_writer(str(run_dir / TENSORBOARD_FOLDER))
        plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        self._metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin)

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Writes numbers by their tags.

        Args:
            values: such as {"epoch/val_auc": 0.8}.
            step: their place on the x axis.
        """
        with self._writer.as_default():
            for tag, value in values.items():
                tf.summary.write(tag, tf.constant(value, tf.float32), step=step, metadata=self._metadata)

    def flush(self) -> None:
        """Lets TensorBoard see what was written."""
        self._writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()
