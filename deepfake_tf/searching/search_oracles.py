"""Keras Tuner's oracles, made to survive what ours has to: a kill at any moment, and workers elsewhere.

An oracle decides what the next trial is. Those of Keras Tuner keep their state in RUN/search, but write it in place,
and some leave out of it what the next draw follows from.
"""

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner import oracles

from deepfake_tf import atomic
from deepfake_tf.learning.settings import MONITORS, TrainSettings
from deepfake_tf.searching.search_settings import SearchSettings

_MIN_RANDOM_POINTS = 5


def build_oracle(base: TrainSettings, search: SearchSettings, on_end: Callable[[], None]) -> keras_tuner.Oracle:
    """Returns the oracle of a search.

    Args:
        base: says what is searched for, and from which seed.
        search: says how.
        on_end: called after each trial.
    """
    shared = {
        "objective": keras_tuner.Objective(base.monitor, MONITORS[base.monitor]),
        # 0 would be drawn anew by Keras Tuner each time.
        "seed": base.seed + 1,
        # The search goes on whatever fails; that all failed is said at the end.
        "max_consecutive_failed_trials": 10**9,
    }
    if search.tuner == "hyperband":
        # Begun anew until there are as many trials as were asked for.
        shared |= {"max_epochs": base.epochs, "hyperband_iterations": 10**6}
    if search.tuner == "bayesian":
        # Keras Tuner's own, three times the number of settings, would leave a short search nothing to learn from.
        shared["num_initial_points"] = max(_MIN_RANDOM_POINTS, search.max_trials // 4)
    kinds = {"hyperband": Hyperband, "random": Random, "bayesian": Bayesian, "grid": Grid}
    oracle = kinds[search.tuner](**shared)
    oracle.max_trials = search.max_trials
    oracle.verbose = 0
    oracle.on_end = on_end
    return oracle


class _Lasting(keras_tuner.Oracle):
    """What all oracles share; stands in front of one of Keras Tuner's."""

    on_end: Callable[[], None]
    trials: dict[str, keras_tuner.engine.trial.Trial]
    end_order: list[str]

    def end_trial(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Records how a trial ended."""
        # What a worker sends back was rounded on its way.
        trial.hyperparameters = self.trials[trial.trial_id].hyperparameters
        super().end_trial(trial)
        # Keras Tuner has saved it while the trial still counted as running.
        self.save()
        self.on_end()

    def save(self) -> None:
        """Writes the state, whole or not at all."""
        atomic.write_whole(Path(self._get_oracle_fname()), json.dumps(self.get_state()).encode())

    def _save_trial(self, trial: keras_tuner.engine.trial.Trial) -> None:
        path = Path(self._get_trial_dir(trial.trial_id)) / "trial.json"
        atomic.write_whole(path, json.dumps(trial.get_state()).encode())

    def reload(self) -> None:
        """Reads the state; what ran when it was written runs again."""
        state = json.loads(Path(self._get_oracle_fname()).read_text())
        super().reload()
        # A trial that was drawn, but of which the state does not know yet, is drawn again.
        self.trials = {name: self.trials[name] for name in sorted(self.start_order, key=int)}
        running = state["ongoing_trials"]
        if "chief" in os.environ.get("KERASTUNER_TUNER_ID", ""):
            # Its workers did not stop with the chief: what they do is still theirs.
            self._retry_queue = [*state["retry_queue"]]
            for tuner_id, name in running.items():
                if name in self.end_order:
                    self._retry_queue.append(name)
                else:
                    self.ongoing_trials[tuner_id] = self.trials[name]
        # It may have ended without all that follows from it: it ends once more, at once, for its training is done.
        self.end_order = [name for name in self.end_order if name not in running.values()]


class Random(_Lasting, oracles.RandomSearchOracle):
    """Draws each trial for itself."""


class Bayesian(_Lasting, oracles.BayesianOptimizationOracle):
    """Draws where a Gaussian process of the trials so far expects, or does not know, something better."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Draws the values of a trial, none twice."""
        # From the trial's number, because this state is not kept.
        self._random_state = np.random.RandomState(self.seed + len(self.trials))
        with warnings.catch_warnings():
            # A handful of trials seldom settles the process' length scale: of no use to anyone here.
            warnings.simplefilter("ignore")
            response = super().populate_space(trial_id)
        if response.get("values") and self._duplicate(response["values"]):
            return self._random_populate_space()
        return response


class Grid(_Lasting, oracles.GridSearchOracle):
    """Goes through all combinations, the last setting of the space first."""

    def get_state(self) -> dict[str, Any]:
        """Returns the state, with the place in the grid, which Keras Tuner leaves out."""
        ordered = []
        name = self.start_order[0] if self.start_order else None
        while name is not None:
            ordered.append(name)
            name = self._ordered_ids.next(name)
        return super().get_state() | {"ordered_ids": ordered, "populate_next": self._populate_next}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        super().set_state(state)
        for before, name in zip([None, *state["ordered_ids"]], state["ordered_ids"], strict=False):
            self._ordered_ids.insert(name, before)
        self._populate_next = state["populate_next"]


class Hyperband(_Lasting, oracles.HyperbandOracle):
    """Lets the best of many short trials go on for longer; draws another trial for one that failed.

    Keras Tuner's own counts it as run: its bracket then never has enough results, and nothing of it goes on.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Draws the values of a trial; the place of a failed one in a first round is free again."""
        for bracket in self._brackets:
            bracket["rounds"][0] = [one for one in bracket["rounds"][0] if self.trials[one["id"]].status != "FAILED"]
        return super().populate_space(trial_id)
