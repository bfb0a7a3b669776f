"""Tuning: Keras Tuner searches for the settings of a training.

    RUN/trials/<id>/     one training each, a run folder like any other; failure.txt where it failed
    RUN/trials.csv       one row a trial, failed ones included
    RUN/search/          Keras Tuner's own state, from which a search goes on
    RUN/search.html      what a person wants to know of it
    RUN/run.json         the winner's settings, for `train --settings`; written last

A trial is `training.train` and nothing else, so that what wins here wins there. What is drawn: search_space.py; by
which rule: search_oracles.py; by several machines: search_workers.py.
"""

import contextlib
import csv
import io
import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from deepfake_tf import atomic, runs
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.errors import ConfigError, TrainingError
from deepfake_tf.learning import accelerators, training, training_state
from deepfake_tf.learning.settings import RUN_VERSION, TrainSettings, read_run
from deepfake_tf.records import read_index
from deepfake_tf.searching import search_oracles, search_report, search_space, search_workers
from deepfake_tf.searching.search_settings import SearchSettings

TRIALS_FILE = "trials.csv"
FAILURE_FILE = "failure.txt"
# Between two questions of a worker for which the chief has no answer yet.
_IDLE_SEC = 1.0


@dataclass(frozen=True)
class Standing:
    """Where a search stands; for a worker, what it has done of it.

    Attributes:
        num_finished: trials done, failed ones included.
        num_failed: trials that failed.
        best: best value of the monitor so far, None before the first.
        trial: the running trial, empty between trials.
        training: where it stands, None between trials.
    """

    num_finished: int
    num_failed: int
    best: float | None
    trial: str
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
    """Searches for the settings with the best value of `base.monitor`, by itself or as the chief of workers.

    A trial that fails, for lack of memory too, is recorded, and the search goes on. A search that was stopped goes on
    where it stopped, its running trial included; a finished one is returned as it is, unless more trials are asked for.

    Args:
        data_dir: a finished extraction.
        run_dir: where the search is written; made if it is not there.
        base: what the trials share: epochs at most, patience, monitor, balance, seed.
        search: how to search, and from what.
        on_progress: called after each step of a trial and after each trial.

    Returns:
        What run.json holds: the winner's settings, and of the search.

    Raises:
        ConfigError: the folder holds another search, or the space makes no sense.
        DataError: a split lacks clips or one of the two classes.
        TrainingError: every trial failed.
    """
    run_dir = Path(run_dir)
    identity = _identity(data_dir, base, search)
    finished = _find_finished(run_dir, identity, search.max_trials)
    if finished:
        return finished
    with _open(data_dir, run_dir, base, search, on_progress) as trials:
        trials.search()
        rows = trials.write_table()
        run = {
            "format_version": RUN_VERSION,
            **trials.result(rows),
            "environment": runs.describe_environment(),
            "data": runs.describe_data(data_dir, _tables(data_dir)),
        }
        run["result"] |= {"identity": identity, "max_trials": search.max_trials}
        search_report.write(run_dir, run, rows, trials.space())
        atomic.write_whole(run_dir / "run.json", (json.dumps(run, indent=2) + "\n").encode())
    return run


def tune_as_worker(
    data_dir: Path | str,
    run_dir: Path | str,
    base: TrainSettings,
    *,
    search: SearchSettings,
    on_progress: OnProgress | None = None,
) -> None:
    """Runs trials of a search for its chief, until there are no more; see `tune` for what is given and raised.

    Raises:
        TrainingError: the chief does not answer.
    """
    if _find_finished(Path(run_dir), _identity(data_dir, base, search), search.max_trials):
        return
    with _open(data_dir, Path(run_dir), base, search, on_progress) as trials:
        trials.search()


@contextlib.contextmanager
def _open(
    data_dir: Path | str, run_dir: Path, base: TrainSettings, search: SearchSettings, on_progress: OnProgress | None
) -> Iterator["_Search"]:
    place = search_workers.find_place()
    # What is wrong with the data or the space is wrong for every trial: said once, and no trial.
    _tables(data_dir)
    search_space.check(base, search)
    accelerators.grow_memory()
    run_dir.mkdir(parents=True, exist_ok=True)
    with search_workers.hold(run_dir, place.name):
        atomic.claim(
            run_dir / "search.json",
            _identity(data_dir, base, search),
            f"{run_dir} holds an unfinished search with another tuner, space, settings or data. "
            "Choose another --out, or delete it.",
        )
        yield _Search(data_dir, run_dir, base, search=search, place=place, report=on_progress)


def _tables(data_dir: Path | str) -> dict[str, ClipTable]:
    return {split: training.labelled_clips(data_dir, split) for split in ("train", "val")}


# The search ----------------------------------------------------------------------------------------------------------


class _Search(keras_tuner.engine.base_tuner.BaseTuner):
    """Keras Tuner's loop, with a training as the trial."""

    def __init__(
        self,
        data_dir: Path | str,
        run_dir: Path,
        base: TrainSettings,
        *,
        search: SearchSettings,
        place: search_workers.Place,
        report: OnProgress | None,
    ) -> None:
        self._data_dir = data_dir
        self._run_dir = run_dir
        self._base = base
        self._search = search
        self._place = place
        self._report = report
        self._is_idle = False
        # A worker's own copy knows the space; what the trials are, only the chief's does.
        self._trials = search_oracles.build_oracle(base, search, self._record)
        # It prints that it found its own state; a command says so in its own words.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(
                self._trials,
                hypermodel=lambda hp: search_space.draw(hp, base, search),
                directory=str(run_dir),
                project_name="search",
            )

    def search(self) -> None:
        """Runs trials until there are no more, or as chief answers those who do.

        Raises:
            TrainingError: the chief is gone.
        """
        self.save()
        # Keras Tuner prints what it reads from messages.
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            if self._place.is_chief:
                search_workers.serve(self._trials, self._place.address)
            else:
                with search_workers.plain_errors(self._place):
                    super().search()

    def save(self) -> None:
        """Writes the state; Keras Tuner reads it again only if this process has left a file of its own."""
        if not self._place.is_worker:
            self._trials.save()
        atomic.write_whole(Path(self._get_tuner_fname()), json.dumps(self.get_state()).encode())

    def pre_create_trial(self) -> None:
        """Waits a little before the chief is asked again."""
        if self._is_idle:
            time.sleep(_IDLE_SEC)
        self._is_idle = True

    def on_trial_begin(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Takes a trial."""
        self._is_idle = False

    def run_trial(self, trial: keras_tuner.engine.trial.Trial) -> dict[str, float]:
        """Trains; returns the best value of the monitor."""
        failure = self._trial_dir(trial.trial_id) / FAILURE_FILE
        failure.unlink(missing_ok=True)
        # What earlier trials built would stay in memory; this collects a failed one's remains too.
        keras.backend.clear_session()
        try:
            return self._train(trial)
        except Exception:
            # Keras Tuner does not tell the chief why.
            failure.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_whole(failure, traceback.format_exc().encode())
            raise

    def _train(self, trial: keras_tuner.engine.trial.Trial) -> dict[str, float]:
        settings = search_space.settings_of(trial, self._base, self._search)
        trial_dir = self._trial_dir(trial.trial_id)
        parent = trial.hyperparameters.values.get("tuner/trial_id")
        # Under a schedule that ends with its training, a longer one is another one from its first step.
        if parent is not None and settings.schedule == "constant":
            _inherit_state(self._trial_dir(parent), trial_dir)
        with accelerators.one_at_a_time(accelerators.visible_gpus()):
            run = training.train(
                self._data_dir,
                trial_dir,
                settings,
                on_progress=lambda at: self._show(trial.trial_id, at),
                # Hyperband lets the best trials of a round go on for longer.
                keep_state=self._search.tuner == "hyperband",
            )
        return {settings.monitor: run["result"]["metrics"][settings.monitor]}

    def on_trial_end(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Records the trial."""
        super().on_trial_end(trial)
        if self._place.is_worker:
            # The chief's oracle does not call here.
            self._trials.trials[trial.trial_id] = self.oracle.get_trial(trial.trial_id)
            self._show()

    def _record(self) -> None:
        self.write_table()
        self._show()

    def _show(self, trial: str = "", at: training.Progress | None = None) -> None:
        if self._report:
            ended = [one for one in self._trials.trials.values() if one.status in ("COMPLETED", "FAILED")]
            failed = sum(one.status == "FAILED" for one in ended)
            best = self._trials.get_best_trials(1)
            self._report(Standing(len(ended), failed, best[0].score if best else None, trial, at))

    # What is written

    def space(self) -> list[dict[str, Any]]:
        """Returns what Keras Tuner calls the space: each setting's class name and ranges."""
        return self._trials.hyperparameters.get_config()["space"]

    def write_table(self) -> list[dict[str, Any]]:
        """Writes trials.csv; returns its rows."""
        # By number: a search that was stopped finds its trials in the order of a folder.
        rows = [self._row(trial) for trial in sorted(self._trials.trials.values(), key=lambda one: int(one.trial_id))]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        # What says it all comes last.
        columns.sort(key=lambda name: name in ("message", "settings"))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=columns)
        writer.writeheader()
        writer.writerows(rows)
        atomic.write_whole(self._run_dir / TRIALS_FILE, text.getvalue().encode())
        return rows

    def _row(self, trial: keras_tuner.engine.trial.Trial) -> dict[str, Any]:
        settings = search_space.settings_of(trial, self._base, self._search)
        drawn = search_space.drawn_values(trial)
        score = None if trial.score is None or trial.status != "COMPLETED" else float(f"{trial.score:.6g}")
        return {
            "trial": trial.trial_id,
            "status": str(trial.status),
            self._base.monitor: score,
            "epochs": settings.epochs,
            **drawn,
            "message": self._failure(trial) if trial.status == "FAILED" else "",
            "settings": json.dumps(settings.to_json()),
        }

    def _failure(self, trial: keras_tuner.engine.trial.Trial) -> str:
        path = self._trial_dir(trial.trial_id) / FAILURE_FILE
        text = path.read_text("utf-8", errors="replace").strip() if path.is_file() else ""
        return text.splitlines()[-1] if text else f"{self._base.monitor} is not a number"

    def result(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Returns what run.json says of the search: the winner's settings, and the result.

        Raises:
            TrainingError: every trial failed.
        """
        best = [one.trial_id for one in self._trials.get_best_trials(1) if one.status == "COMPLETED"]
        if not best:
            raise TrainingError(f"All {len(rows)} trials failed; the last one with: {rows[-1]['message']}")
        winner = next(row for row in rows if row["trial"] == best[0])
        result = {
            "monitor": self._base.monitor,
            "best": winner[self._base.monitor],
            "best_run": f"trials/{winner['trial']}",
            "num_trials": len(rows),
            "num_failed": sum(row["status"] == "FAILED" for row in rows),
        }
        # All the epochs, even if Hyperband gave it fewer.
        return {"settings": json.loads(winner["settings"]) | {"epochs": self._base.epochs}, "result": result}

    def _trial_dir(self, trial_id: str) -> Path:
        return self._run_dir / "trials" / trial_id


def _inherit_state(parent_dir: Path, trial_dir: Path) -> None:
    """Lets a trial go on where another ended, for longer; unless it has begun already."""
    trial_dir.mkdir(parents=True, exist_ok=True)
    if (trial_dir / training_state.STATE_FILE).is_file():
        return
    # The state last: it says that both are there.
    for name in (runs.MODEL_FILE, training_state.STATE_FILE):
        partial = trial_dir / f"{name}{atomic.PARTIAL_SUFFIX}"
        shutil.copyfile(parent_dir / name, partial)
        partial.replace(trial_dir / name)


# The folder ----------------------------------------------------------------------------------------------------------


def _identity(data_dir: Path | str, base: TrainSettings, search: SearchSettings) -> dict[str, Any]:
    # Not the number of trials: more of them may be asked for later.
    return {
        "search": {**search.to_json(), "max_trials": None},
        "base": base.to_json(),
        "fingerprint": read_index(data_dir).fingerprint(),
    }


def _find_finished(run_dir: Path, identity: Mapping[str, Any], max_trials: int) -> dict[str, Any] | None:
    if not (run_dir / "run.json").is_file():
        return None
    run = read_run(run_dir)
    if run["result"].get("identity") != identity:
        raise ConfigError(f"{run_dir} holds another finished search or run. Choose another --out, or delete it.")
    return run if run["result"]["max_trials"] >= max_trials else None
