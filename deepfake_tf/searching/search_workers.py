"""One search by several machines: Keras Tuner's chief and its workers, which share the folder of the search.

    KERASTUNER_TUNER_ID     "chief", or the name of a worker, its own for each
    KERASTUNER_ORACLE_IP    where the chief listens
    KERASTUNER_ORACLE_PORT

The chief holds the oracle and runs no trial; workers ask it for trials over gRPC, without encryption: for networks
that are trusted. A worker that was lost is started again under its name, and goes on with its trial.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

from deepfake_tf.errors import ConfigError, TrainingError

_NAME, _HOST, _PORT = "KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"
_ALONE = "tuner0"
_POLL_SEC = 0.2
_GRACE_SEC = 5.0


@dataclass(frozen=True)
class Place:
    """Which of the processes of a search this is.

    Attributes:
        name: "chief", a worker's name, or Keras Tuner's own for a search by one process.
        address: host and port of the chief; empty for a search by one process.
    """

    name: str = _ALONE
    address: str = ""

    @property
    def is_chief(self) -> bool:
        """Whether this process holds the oracle for others."""
        return bool(self.address) and "chief" in self.name

    @property
    def is_worker(self) -> bool:
        """Whether this process asks a chief for trials."""
        return bool(self.address) and not self.is_chief


def find_place(environment: Mapping[str, str] | None = None) -> Place:
    """Returns the place that the environment gives this process.

    Args:
        environment: that of the process if None.

    Raises:
        ConfigError: only some of the variables are set, or the port is none.
    """
    found = os.environ if environment is None else environment
    missing = [name for name in (_NAME, _HOST, _PORT) if not found.get(name)]
    if len(missing) == 3 or missing == [_HOST, _PORT]:
        return Place(found.get(_NAME) or _ALONE)
    if missing:
        raise ConfigError(
            f"A search by several machines needs {_NAME}, {_HOST} and {_PORT}. Missing: {', '.join(missing)}"
        )
    port = found[_PORT]
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"{_PORT} must be a port number, such as 8000. Received: {port!r}")
    return Place(found[_NAME], f"{found[_HOST]}:{port}")


def set_place(name: str, address: str) -> None:
    """Gives this process its place, for Keras Tuner to read.

    Args:
        name: "chief", or the name of a worker.
        address: HOST:PORT of the chief.

    Raises:
        ConfigError: the address is none.
    """
    host, _, port = address.rpartition(":")
    given = {_NAME: name, _HOST: host, _PORT: port}
    if not host:
        raise ConfigError(f"The chief's address is HOST:PORT, such as 10.0.0.5:8000. Received: {address!r}")
    find_place(given)
    os.environ.update(given)


@contextlib.contextmanager
def hold(run_dir: Path, name: str) -> Iterator[None]:
    """Keeps a second process of the same name out of a search while this one works at it.

    Raises:
        ConfigError: there is one.
    """
    path = run_dir / "search" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"Another process, {name}, works at the search in {run_dir}. Wait for it, or give this one a name of "
                "its own, see --tuner-id."
            ) from error
        yield


def serve(oracle: object, address: str) -> None:
    """Answers workers until there is no trial left and each of them has been told so.

    As Keras Tuner's `start_server`, which looks only every 20 seconds whether the search is over.

    Args:
        oracle: Keras Tuner's.
        address: host and port to listen on.

    Raises:
        ConfigError: nothing can listen there.
    """
    import grpc

    # What a chief is made of is not among the public names of Keras Tuner.
    from keras_tuner.src import protos
    from keras_tuner.src.distribute import oracle_chief

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1), options=[("grpc.so_reuseport", 0)])
    servicer = oracle_chief.OracleServicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise ConfigError(f"The chief cannot listen on {address}: {error}. Choose another address.") from error
    server.start()
    try:
        while not (servicer.stop_triggered and oracle_chief.exit_chief(oracle)):
            time.sleep(_POLL_SEC)
    finally:
        server.stop(_GRACE_SEC).wait()


@contextlib.contextmanager
def plain_errors(place: Place) -> Iterator[None]:
    """Says in plain words that the chief does not answer.

    Raises:
        TrainingError: it does not.
    """
    import grpc

    try:
        yield
    except grpc.RpcError as error:
        raise TrainingError(
            f"The chief at {place.address} does not answer ({error.code().name}). Start it again, then this worker "
            "under the same name: both go on where they were."
        ) from error
