"""One search by several processes: each trial once, though one is killed."""

import csv
import json
import socket
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import keras_tuner
import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.learning import accelerators, training
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.searching import search_oracles, search_workers, tuning
from deepfake_tf.searching.search_settings import SearchSettings
from deepfake_tf.searching.search_workers import Place, find_place
from tests import search_stand_in, warm_processes
from tests.clips_of_squares import both_classes, write_data

ROOT = Path(__file__).parent.parent.parent
THERE = {"KERASTUNER_ORACLE_IP": "localhost", "KERASTUNER_ORACLE_PORT": "8000"}


def test_a_process_finds_its_place_in_the_environment():
    assert find_place({}) == Place()
    chief = find_place({"KERASTUNER_TUNER_ID": "chief", **THERE})
    worker = find_place({"KERASTUNER_TUNER_ID": "worker-1", **THERE})
    assert (chief.is_chief, chief.is_worker, chief.address) == (True, False, "localhost:8000")
    assert (worker.is_chief, worker.is_worker, worker.name) == (False, True, "worker-1")
    assert not Place().is_chief
    assert not Place().is_worker


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        (THERE, "Missing: KERASTUNER_TUNER_ID"),
        ({"KERASTUNER_TUNER_ID": "chief", "KERASTUNER_ORACLE_IP": "localhost"}, "Missing: KERASTUNER_ORACLE_PORT"),
        ({"KERASTUNER_TUNER_ID": "chief", **THERE, "KERASTUNER_ORACLE_PORT": "http"}, "port number"),
        ({"KERASTUNER_TUNER_ID": "chief", **THERE, "KERASTUNER_ORACLE_PORT": "65536"}, "port number"),
    ],
)
def test_half_a_place_is_refused_in_words(environment, says):
    with pytest.raises(ConfigError, match=says):
        find_place(environment)


def test_an_address_without_a_host_is_refused():
    with pytest.raises(ConfigError, match="HOST:PORT"):
        search_workers.set_place("chief", "8000")


def test_two_processes_of_one_name_do_not_work_at_one_search(tmp_path):
    with search_workers.hold(tmp_path, "worker-1"), search_workers.hold(tmp_path, "worker-2"):
        with pytest.raises(ConfigError, match="Another process, worker-1, works at the search"):
            with search_workers.hold(tmp_path, "worker-1"):
                pass
    with search_workers.hold(tmp_path, "worker-1"):
        pass


def test_one_process_at_a_time_has_a_gpu(tmp_path):
    code = f"""
from pathlib import Path
from deepfake_tf.learning import accelerators
print("waiting", flush=True)
with accelerators.one_at_a_time(["1", "0"], Path({str(tmp_path)!r})):
    print("mine", flush=True)
"""
    with accelerators.one_at_a_time(["0"], tmp_path):
        other = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "waiting\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.5)
    assert other.communicate()[0] == "mine\n"


def test_a_chief_that_comes_back_leaves_its_workers_what_they_do(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")

    def oracle():
        one = search_oracles.build_oracle(TrainSettings(), SearchSettings(tuner="random", max_trials=9), lambda: None)
        one._set_project_dir(str(tmp_path), "search")
        hp = keras_tuner.HyperParameters()
        hp.Float("learning_rate", 1e-4, 1e-2)
        one.update_space(hp)
        return one

    before = oracle()
    first, second = before.create_trial("worker-1"), before.create_trial("worker-2")
    first.metrics.register("val_loss", "min")
    before.update_trial(first.trial_id, {"val_loss": 0.5})
    first.status = "COMPLETED"
    before.end_trial(first)
    third = before.create_trial("worker-1")
    after = oracle()
    after.reload()
    assert after.create_trial("worker-2").trial_id == second.trial_id
    assert after.create_trial("worker-1").trial_id == third.trial_id
    assert after.create_trial("worker-3").trial_id == "3"
    assert after.end_order == [first.trial_id]


@pytest.mark.slow
def test_a_chief_and_two_workers_make_each_trial_once_though_one_is_killed(tmp_path):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 2), "val": both_classes("v", 1)})
    run_dir = tmp_path / "search"
    with socket.socket() as one:
        one.bind(("localhost", 0))
        place = {"KERASTUNER_ORACLE_IP": "localhost", "KERASTUNER_ORACLE_PORT": str(one.getsockname()[1])}

    processes = {name: start(name, data, run_dir, place) for name in ("chief", "worker-1", "worker-2")}
    try:
        # Both at once, each in the middle of its work.
        wait_for(lambda: any("worker-1" in one for one in trained(run_dir).values()), processes)
        processes["worker-1"].kill()
        processes["worker-1"].join()
        processes["worker-1"] = start("worker-1", data, run_dir, place)
        for name, process in processes.items():
            process.join(240)
            assert process.exitcode == 0, name
    finally:
        for process in processes.values():
            process.kill()
            process.join()

    with (run_dir / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == [str(number) for number in range(8)]
    assert {row["status"] for row in rows} == {"COMPLETED"}
    by_trial = trained(run_dir)
    assert sorted(by_trial) == [row["trial"] for row in rows]
    for row in rows:
        # What was trained is what the table says, digit by digit, though it went through float32.
        who, learning_rate, dropout = by_trial[row["trial"]].split("\n")[-1].split()
        settings = json.loads(row["settings"])
        assert (float(learning_rate), float(dropout)) == (settings["learning_rate"], settings["dropout"])
        assert float(row["val_loss"]) == pytest.approx(settings["learning_rate"] + settings["dropout"], rel=1e-5)
    assert {"worker-1", "worker-2"} == {one.split()[0] for text in by_trial.values() for one in text.split("\n")}
    best = min(rows, key=lambda row: float(row["val_loss"]))
    run = json.loads((run_dir / "run.json").read_text())
    assert run["result"]["best_run"] == f"trials/{best['trial']}"
    assert len({row["settings"] for row in rows}) == 8


@pytest.mark.slow
def test_a_search_killed_in_a_trial_ends_in_the_same_table(tmp_path, monkeypatch):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 2), "val": both_classes("v", 1)})
    one = start("alone", data, tmp_path / "killed", {})
    try:
        wait_for(lambda: len(trained(tmp_path / "killed")) == 3, {"alone": one})
    finally:
        one.kill()
        one.join()
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "alone")
    monkeypatch.setattr(training, "train", search_stand_in.train)
    monkeypatch.setattr(search_stand_in, "TRIAL_SEC", 0.0)
    for name in ("killed", "whole"):
        tuning.tune(data, tmp_path / name, search_stand_in.BASE, search=search_stand_in.SEARCH)
    for name in ("trials.csv", "run.json"):
        assert (tmp_path / "killed" / name).read_text() == (tmp_path / "whole" / name).read_text()


def start(name: str, data: Path, run_dir: Path, place: dict[str, str]) -> BaseProcess:
    environment = place | {"KERASTUNER_TUNER_ID": name}
    return warm_processes.start(search_stand_in.search, data, run_dir, **environment)


def trained(run_dir: Path) -> dict[str, str]:
    return {path.parent.name: path.read_text().strip() for path in run_dir.glob("trials/*/trained_by.txt")}


def wait_for(is_so, processes, timeout_sec=240):
    end = time.monotonic() + timeout_sec
    while not is_so():
        assert not [name for name, one in processes.items() if not one.is_alive()]
        assert time.monotonic() < end
        time.sleep(0.05)
