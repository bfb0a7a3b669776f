"""A process of a search by several machines, whose trainings only wait."""

import os
import time
from pathlib import Path

from deepfake_tf.learning import training
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.searching import search_workers, tuning
from deepfake_tf.searching.search_settings import SearchSettings

NUM_TRIALS = 8
TRIAL_SEC = 0.5
SEARCH = SearchSettings(tuner="grid", max_trials=NUM_TRIALS, recipes=("none",))
BASE = TrainSettings(epochs=1, seed=4, patience=0)


def train(data_dir, run_dir, settings, *, on_progress, keep_state):
    """Notes who trained what, and waits."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / "trained_by.txt").open("a") as file:
        file.write(f"{os.environ['KERASTUNER_TUNER_ID']} {settings.learning_rate!r} {settings.dropout!r}\n")
    time.sleep(TRIAL_SEC)
    if search_workers.find_place().is_worker:
        wait_for_another_worker(run_dir.parent)
    return {"result": {"metrics": {settings.monitor: settings.learning_rate + settings.dropout}}}


def wait_for_another_worker(trials):
    """Nobody is to have made all trials before another has begun."""
    end = time.monotonic() + 120
    while len({path.read_text().split()[0] for path in trials.glob("*/trained_by.txt")}) < 2:
        if time.monotonic() > end:
            raise TimeoutError("No other worker has begun.")
        time.sleep(0.05)


def search(data_dir: Path, run_dir: Path) -> None:
    """As the chief or as a worker, which the environment says."""
    training.train = train
    work = tuning.tune_as_worker if search_workers.find_place().is_worker else tuning.tune
    work(data_dir, run_dir, BASE, search=SEARCH)
