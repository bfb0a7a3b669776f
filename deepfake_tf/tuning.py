"""Tuning: Keras Tuner searches for the settings of a training.

    RUN/trials/<id>/     one training each, a run folder like any other
    RUN/trials.csv       one row a trial, failed ones included
    RUN/search/          Keras Tuner's own state, from which a search goes on
    RUN/run.json         the winner's settings, for `train --settings`; written last

A trial is `training.train` and nothing else, so that what wins here wins there.
"""

import contextlib
import csv
import dataclasses
import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from deepfake_tf import atomic, plugins, runs, training, training_state
from deepfake_tf.errors import ConfigError, TrainingError
from deepfake_tf.records import read_index
from deepfake_tf.settings import MONITORS, RUN_VERSION, SearchSettings, TrainSettings, read_run

TRIALS_FILE = "trials.csv"


@dataclass(frozen=True)
class Standing:
    """Where a search stands.

    Attributes:
        num_finished: trials done, failed ones included.
        num_failed: trials that failed.
        best: best value of the monitor so far, None before the first.
        training: where the running trial stands, None between trials.
    """

    num_finished: int
    num_failed: int
    best: float | None
    training: training.Progress | None


OnProgress = Callable[[Standing], None]


def tune(
    data_dir: Path | str,
    run_dir: Path | str,
    base: TrainSettings,
    *,
    search: SearchSettings,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Searches for the settings with the best value of `base.monitor`.

    A trial that fails is recorded, and the search goes on. A search that was stopped goes on where it stopped, its
    running trial included; a finished one is returned as it is, unless more trials are asked for.

    Args:
        data_dir: a finished extraction.
        run_dir: where the search is written; made if it is not there.
        base: what the trials share: epochs at most, patience, monitor, balance, seed.
        search: how to search, and from what.
        on_progress: called after each step of a trial and after each trial.

    Returns:
        What run.json holds: the winner's settings, and of the search.

    Raises:
        ConfigError: the folder holds another search.
        DataError: a split lacks clips or one of the two classes.
        TrainingError: every trial failed.
    """
    run_dir = Path(run_dir)
    # Not the number of trials: more of them may be asked for later.
    identity = {
        "search": {**search.to_json(), "max_trials": None},
        "base": base.to_json(),
        "fingerprint": read_index(data_dir).fingerprint(),
    }
    finished = _find_finished(run_dir, identity, search.max_trials)
    if finished:
        return finished
    # What is wrong with the data is wrong for every trial: said once, and no trial.
    tables = {split: training.labelled_clips(data_dir, split) for split in ("train", "val")}
    run_dir.mkdir(parents=True, exist_ok=True)
    _check_identity(run_dir / "search.json", identity)
    trials = _Search(data_dir, run_dir, base, search=search, report=on_progress)
    trials.search()
    best = trials.best_trial()
    run = {
        "format_version": RUN_VERSION,
        "settings": settings_of(best.hyperparameters, base, search).to_json(),
        "environment": runs.describe_environment(),
        "data": runs.describe_data(data_dir, tables),
        "result": {
            "identity": identity,
            "max_trials": search.max_trials,
            "monitor": base.monitor,
            "best": best.score,
            "best_run": f"trials/{best.trial_id}",
            "num_trials": len(trials.oracle.trials),
            "num_failed": trials.num_failed(),
        },
    }
    atomic.write_whole(run_dir / "run.json", (json.dumps(run, indent=2) + "\n").encode())
    return run


def settings_of(hp: keras_tuner.HyperParameters, base: TrainSettings, search: SearchSettings) -> TrainSettings:
    """Draws the settings of a trial, and declares the space while it does.

    Args:
        hp: Keras Tuner's; remembers what it was asked for.
        base: what is not drawn.
        search: says what may be drawn.
    """
    drawn = {
        "recipe": hp.Choice("recipe", list(search.recipes)),
        "batch_size": hp.Choice("batch_size", list(search.batch_sizes)),
        "learning_rate": hp.Float("learning_rate", *search.learning_rate, sampling="log"),
        "dropout": hp.Choice("dropout", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
    }
    for kind, known in (("backbone", search.backbones), ("head", search.heads)):
        name, part = _draw_part(hp, kind, known)
        drawn |= {kind: name, f"{kind}_settings": part}
    return dataclasses.replace(base, **drawn)


def _draw_part(hp: keras_tuner.HyperParameters, kind: str, known: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    chosen = hp.Choice(kind, list(known))
    settings: dict[str, Any] = {}
    for name in known:
        # Each plugin's settings are a branch of the space that is only searched when the plugin is chosen.
        with hp.conditional_scope(kind, [name]), hp.name_scope(name):
            if name == chosen:
                settings = plugins.load(f"{kind}s", name).sample(hp)
    return chosen, settings


# The search ----------------------------------------------------------------------------------------------------------


def _oracle(base: TrainSettings, search: SearchSettings) -> keras_tuner.Oracle:
    shared = {
        "objective": keras_tuner.Objective(base.monitor, MONITORS[base.monitor]),
        # 0 would be drawn anew by Keras Tuner each time.
        "seed": base.seed + 1,
        # The search goes on whatever fails; that all failed is said at the end.
        "max_consecutive_failed_trials": 10**9,
    }
    oracles = keras_tuner.oracles
    if search.tuner == "hyperband":
        return _Hyperband(max_epochs=base.epochs, **shared)
    kinds = {
        "random": oracles.RandomSearchOracle,
        "bayesian": oracles.BayesianOptimizationOracle,
        "grid": oracles.GridSearchOracle,
    }
    return kinds[search.tuner](max_trials=search.max_trials, **shared)


class _Hyperband(keras_tuner.oracles.HyperbandOracle):
    """Hyperband that draws another trial for one that failed.

    Keras Tuner's own counts it as run: its bracket then never has enough results, and nothing of it goes on.
    """

    def end_trial(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Ends the trial, and gives its place in a first round to another."""
        super().end_trial(trial)
        if self.trials[trial.trial_id].status == "FAILED":
            for bracket in self._brackets:
                bracket["rounds"][0] = [one for one in bracket["rounds"][0] if one["id"] != trial.trial_id]
            self.save()


class _Search(keras_tuner.engine.base_tuner.BaseTuner):
    """Keras Tuner's loop, with a training as the trial."""

    def __init__(
        self,
        data_dir: Path | str,
        run_dir: Path,
        base: TrainSettings,
        *,
        search: SearchSettings,
        report: OnProgress | None,
    ) -> None:
        self._data_dir = data_dir
        self._run_dir = run_dir
        self._base = base
        self._search = search
        self._report = report
        # It prints that it found its own state; a command says so in its own words.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(
                _oracle(base, search),
                hypermodel=lambda hp: settings_of(hp, base, search),
                directory=str(run_dir),
                project_name="search",
            )
        # Hyperband's rounds end by themselves; for it, and for an earlier search that now goes on, this is the limit.
        self.oracle.max_trials = search.max_trials
        self.oracle.verbose = 0

    def run_trial(self, trial: keras_tuner.engine.trial.Trial) -> dict[str, float]:
        """Trains; returns the best value of the monitor."""
        # What earlier trials built would stay in memory.
        keras.backend.clear_session()
        settings = self._settings(trial)
        trial_dir = self._trial_dir(trial.trial_id)
        parent = trial.hyperparameters.values.get("tuner/trial_id")
        if parent is not None:
            _inherit_state(self._trial_dir(parent), trial_dir)
        # Hyperband lets the best trials of a round go on for longer.
        keep_state = self._search.tuner == "hyperband"
        run = training.train(self._data_dir, trial_dir, settings, on_progress=self._show, keep_state=keep_state)
        return {settings.monitor: run["result"]["metrics"][settings.monitor]}

    def on_trial_end(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Records the trial."""
        super().on_trial_end(trial)
        self._write_trials()
        self._show(None)

    def best_trial(self) -> keras_tuner.engine.trial.Trial:
        """Returns the trial with the best value.

        Raises:
            TrainingError: every trial failed.
        """
        best = self._best()
        if best is None:
            messages = [_last_line(trial.message) for trial in self.oracle.trials.values()]
            raise TrainingError(f"All {len(messages)} trials failed; the last one with: {messages[-1]}")
        return best

    def num_failed(self) -> int:
        """Returns how many trials failed."""
        return sum(trial.status == "FAILED" for trial in self.oracle.trials.values())

    def _best(self) -> keras_tuner.engine.trial.Trial | None:
        scored = [trial for trial in self.oracle.get_best_trials(1) if trial.status == "COMPLETED"]
        return scored[0] if scored else None

    def _settings(self, trial: keras_tuner.engine.trial.Trial) -> TrainSettings:
        hp = trial.hyperparameters
        settings = settings_of(hp, self._base, self._search)
        return dataclasses.replace(settings, epochs=hp.values.get("tuner/epochs", settings.epochs))

    def _trial_dir(self, trial_id: str) -> Path:
        return self._run_dir / "trials" / trial_id

    def _show(self, at: training.Progress | None) -> None:
        if self._report:
            best = self._best()
            finished = len(self.oracle.end_order)
            self._report(Standing(finished, self.num_failed(), best.score if best else None, at))

    def _write_trials(self) -> None:
        rows = [
            {"trial": trial.trial_id, "status": str(trial.status), self._base.monitor: trial.score}
            | self._settings(trial).to_json()
            | {"message": _last_line(trial.message)}
            # By number: a search that was stopped finds its trials in the order of a folder.
            for trial in sorted(self.oracle.trials.values(), key=lambda trial: int(trial.trial_id))
        ]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        atomic.write_whole(self._run_dir / TRIALS_FILE, text.getvalue().encode())


def _inherit_state(parent_dir: Path, trial_dir: Path) -> None:
    """Lets a trial go on where another ended, for longer; unless it has begun already."""
    trial_dir.mkdir(parents=True, exist_ok=True)
    if (trial_dir / training_state.STATE_FILE).is_file():
        return
    for name in (runs.MODEL_FILE, training_state.STATE_FILE):
        shutil.copyfile(parent_dir / name, trial_dir / name)


def _last_line(message: str | None) -> str:
    return message.strip().splitlines()[-1] if message and message.strip() else ""


# The folder ----------------------------------------------------------------------------------------------------------


def _find_finished(run_dir: Path, identity: Mapping[str, Any], max_trials: int) -> dict[str, Any] | None:
    if not (run_dir / "run.json").is_file():
        return None
    run = read_run(run_dir)
    if run["result"].get("identity") != identity:
        raise ConfigError(f"{run_dir} holds another finished search or run. Choose another --out, or delete it.")
    return run if run["result"]["max_trials"] >= max_trials else None


def _check_identity(path: Path, identity: Mapping[str, Any]) -> None:
    """Holds a folder's search against this one, or writes down what this one is."""
    text = json.dumps(identity, indent=2, sort_keys=True) + "\n"
    if not path.is_file():
        atomic.write_whole(path, text.encode())
    elif path.read_text("utf-8") != text:
        raise ConfigError(
            f"{path.parent} holds an unfinished search with another tuner, space, settings or data. "
            "Choose another --out, or delete it."
        )
