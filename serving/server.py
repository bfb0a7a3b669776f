"""The gateway as a program: the service, its health, its limits, and a stop that lets running calls end.

python -m serving.server --predictor localhost:8500
"""

import argparse
import asyncio
import logging
import math
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deepfake_tf import assets, command, schema
from deepfake_tf.errors import ConfigError, DeepfakeError
from deepfake_tf.schema import Limits

if TYPE_CHECKING:
    import grpc
    from grpc_health.v1.health.aio import HealthServicer

    from deepfake_tf.detector import Detector
    from deepfake_tf.predictors import Predictor

log = logging.getLogger("serving.server")

HEALTH_SERVICES = ("", "deepfake.v1.DetectionService")
FACE_WEIGHTS: tuple[Literal["full_range", "short_range"], ...] = ("full_range", "short_range")
HEALTH_INTERVAL_SEC = 2.0
HEALTH_DEADLINE_SEC = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop."""
    limits = Limits()
    parser = command.Parser("The gateway: takes videos over gRPC, asks a model server, answers with verdicts.")
    parser.add_argument(
        "--predictor", default=f"localhost:{schema.MODEL_SERVER_PORT}", help="host:port of the model server"
    )
    parser.add_argument("--model-name", default=schema.MODEL_NAME, help="name that the model is served under")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all")
    parser.add_argument("--port", type=int, default=schema.GATEWAY_PORT, help="0 takes a free one")
    parser.add_argument("--workers", type=int, default=2, help="processes that turn videos into clips")
    parser.add_argument("--max-calls", type=int, default=32, help="calls at a time; further ones are refused")
    parser.add_argument("--max-bytes", type=int, default=512 * 1024**2, help="of an upload")
    parser.add_argument("--max-duration-sec", type=float, default=limits.max_duration_sec, help="of a video")
    parser.add_argument("--max-pixels", type=int, default=limits.max_pixels, help="of a frame")
    parser.add_argument("--time-limit-sec", type=float, default=300.0, help="for turning one video into clips")
    parser.add_argument("--deadline-sec", type=float, default=900.0, help="for a whole call, upload included")
    parser.add_argument("--drain-sec", type=float, default=30.0, help="for running calls when told to stop")
    parser.add_argument("--upload-dir", type=Path, default=None, help="where uploads lie while they are worked on")
    return command.run(parser, _serve, argv)


def _serve(arguments: argparse.Namespace) -> int:
    from deepfake_tf.detector import Detector
    from deepfake_tf.predictors import tf_serving
    from deepfake_tf.workers import WorkerPool

    _check(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    command.require_free_port(arguments.host, arguments.port)
    # Without the detector's weights every call would fail: say so now, or fetch them now.
    for name in FACE_WEIGHTS:
        assets.blazeface_path(name)
    limits = Limits(
        max_bytes=arguments.max_bytes,
        max_duration_sec=arguments.max_duration_sec,
        max_pixels=arguments.max_pixels,
        time_limit_sec=arguments.time_limit_sec,
    )
    predictor = tf_serving.open_predictor(arguments.predictor, model_name=arguments.model_name)
    with (
        tempfile.TemporaryDirectory(prefix="deepfake-gateway-", dir=arguments.upload_dir) as folder,
        WorkerPool(arguments.workers, limits=limits) as pool,
        Detector(predictor, limits, pool) as detector,
    ):
        asyncio.run(_run(arguments, detector, Path(folder)))
    return command.DONE


def _check(arguments: argparse.Namespace) -> None:
    for name in ("workers", "max_calls", "max_bytes", "max_duration_sec", "max_pixels", "time_limit_sec"):
        _check_above_zero(arguments, name)
    _check_above_zero(arguments, "deadline_sec")
    if not 0 <= arguments.port < 65536:
        raise ConfigError(f"--port must lie between 0 and 65535. Received: {arguments.port}")
    if arguments.upload_dir is not None and not arguments.upload_dir.is_dir():
        raise ConfigError(f"--upload-dir must be a folder that is there. Received: {arguments.upload_dir}")


def _check_above_zero(arguments: argparse.Namespace, name: str) -> None:
    value = getattr(arguments, name)
    if not 0 < value < math.inf:
        raise ConfigError(f"--{name.replace('_', '-')} must be above 0. Received: {value}")


async def _run(arguments: argparse.Namespace, detector: "Detector", folder: Path) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_health.v1.health import aio as health_aio

    from serving.gateway import Gateway
    from serving.protos.deepfake.v1 import detection_pb2_grpc

    gateway = Gateway(detector, folder=folder, deadline_sec=arguments.deadline_sec, num_threads=arguments.max_calls)
    health = health_aio.HealthServicer()
    for service in HEALTH_SERVICES:
        await health.set(service, health_pb2.HealthCheckResponse.NOT_SERVING)
    server, port = make_server(f"{arguments.host}:{arguments.port}", max_calls=arguments.max_calls)
    detection_pb2_grpc.add_DetectionServiceServicer_to_server(gateway, server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    await server.start()
    watch = asyncio.create_task(_watch_model(health, detector.predictor))
    at = f"{arguments.host}:{port}, model {arguments.model_name} at {arguments.predictor}"
    print(f"gateway on {at}", flush=True)  # noqa: T201
    await _told_to_stop()
    log.info("stopping: running calls have %g s to end", arguments.drain_sec)
    watch.cancel()
    # First no new calls come, then the running ones end, then what is left is cancelled.
    await health.enter_graceful_shutdown()
    await server.stop(arguments.drain_sec)
    gateway.close()


def make_server(address: str, *, max_calls: int) -> "tuple[grpc.aio.Server, int]":
    """Makes a server that is ready for its services.

    Args:
        address: host:port; port 0 takes a free one.
        max_calls: calls at a time; further ones are refused as RESOURCE_EXHAUSTED.

    Returns:
        The server, and its port.

    Raises:
        ConfigError: the address is taken.
    """
    import grpc

    from serving.upload import MAX_MESSAGE_BYTES

    options = [
        # Two servers on one port would share the calls between them; the second shall fail to start.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # A caller that has gone without a word is found out; one that pings too often is not cut off.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=max_calls)
    try:
        return server, server.add_insecure_port(address)
    except RuntimeError as error:
        raise ConfigError(f"Cannot listen on {address}: {error}. Choose another with --port.") from error


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    # A second SIGTERM must not turn a clean end, in its last steps, into a killed process.
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


async def _watch_model(health: "HealthServicer", predictor: "Predictor") -> None:
    """Keeps the health of the service what the model's is: a gateway without a model is not ready."""
    from grpc_health.v1 import health_pb2

    said = ""
    while True:
        try:
            spec = await asyncio.to_thread(predictor.spec, deadline_sec=HEALTH_DEADLINE_SEC)
            state = health_pb2.HealthCheckResponse.SERVING
            now = f"the model is {spec.model_name} version {spec.model_version}, spec {spec.fingerprint()}"
        except DeepfakeError as error:
            state = health_pb2.HealthCheckResponse.NOT_SERVING
            now = f"no model: {error}"
        for service in HEALTH_SERVICES:
            await health.set(service, state)
        if now != said:
            log.info("%s", now)
            said = now
        await asyncio.sleep(HEALTH_INTERVAL_SEC)


if __name__ == "__main__":
    sys.exit(main())
