"""The history of a training: a row of metrics an epoch, which of them is the best, and whether to go on."""

import csv
import io
from pathlib import Path

from deepfake_tf import atomic
from deepfake_tf.learning.settings import MONITORS, TrainSettings

HISTORY_FILE = "history.csv"

Epoch = dict[str, float]
"""One row: "epoch" (from 1) and its metrics by name."""


def best_epoch(history: list[Epoch], monitor: str) -> Epoch:
    """Returns the row with the best value of the monitor, the earliest of equal ones; without validation the last."""
    if monitor not in history[-1]:
        return history[-1]
    sign = 1 if MONITORS[monitor] == "min" else -1
    return min(history, key=lambda row: sign * row[monitor])


def should_stop(history: list[Epoch], settings: TrainSettings) -> bool:
    """Returns whether all epochs are done, or as many as `patience` brought nothing better."""
    if len(history) >= settings.epochs:
        return True
    if not history or not settings.patience:
        return False
    return len(history) - best_epoch(history, settings.monitor)["epoch"] >= settings.patience


def write_history(run_dir: Path, history: list[Epoch]) -> None:
    """Writes history.csv."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(history[0]))
    writer.writeheader()
    writer.writerows(history)
    atomic.write_whole(run_dir / HISTORY_FILE, text.getvalue().encode())


def read_history(run_dir: Path) -> list[Epoch]:
    """Returns the rows of history.csv."""
    with (run_dir / HISTORY_FILE).open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
