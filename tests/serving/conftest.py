"""Fixtures of the serving tests: a tiny servable, and a model server, embedded or real, that serves it."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from deepfake_tf.predictors.tf_serving import TFServingPredictor
from deepfake_tf.workers import WorkerPool
from tests import servables
from tests.serving import processes


@dataclass
class ModelServer:
    """A running model server."""

    kind: str
    base_path: Path
    target: str
    process: processes.Process


@pytest.fixture(scope="session")
def pool():
    """One worker process for all gateways in this one: to load the face detector takes longer than most tests."""
    with WorkerPool(1) as made:
        yield made


@pytest.fixture(scope="session", params=["embedded", "real"])
def server_kind(request):
    if request.param == "real" and not os.environ.get(processes.REAL_SERVER):
        pytest.skip(f"no real model server: set {processes.REAL_SERVER} to a tensorflow_model_server binary")
    return request.param


@pytest.fixture(scope="session")
def start_model_server(server_kind):
    started = []

    def start(base_path):
        make = {"embedded": processes.embedded_model_server, "real": processes.real_model_server}[server_kind]
        process, target = make(base_path)
        started.append(process)
        return ModelServer(server_kind, base_path, target, process)

    yield start
    for process in started:
        process.kill()


@pytest.fixture(scope="session")
def model_server(start_model_server, tmp_path_factory):
    """A server of one tiny servable, version 1, whose network is `servables.tiny_model()`."""
    base_path = tmp_path_factory.mktemp("served") / "detector"
    servables.tiny_servable(base_path)
    return start_model_server(base_path)


@pytest.fixture
def predictor(model_server):
    opened = TFServingPredictor(model_server.target)
    yield opened
    opened.close()
