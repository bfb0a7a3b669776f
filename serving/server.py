"""The gateway as a program: its parts put together, and a stop that lets calls and jobs end.

python -m serving.server --predictor localhost:8500
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from deepfake_tf import assets, command
from serving import flags

if TYPE_CHECKING:
    import grpc

    from deepfake_tf.detector import Detector
    from deepfake_tf.predictors import Predictor
    from serving.access import Tokens
    from serving.monitoring import Monitoring

log = logging.getLogger("serving.server")

FACE_WEIGHTS: tuple[Literal["full_range", "short_range"], ...] = ("full_range", "short_range")
_LAST_CALLS_SEC = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop."""
    return command.run(flags.parser(), _serve, argv)


def _serve(arguments: argparse.Namespace) -> int:
    from serving import memory

    # Before libraries start threads of their own.
    memory.keep_few_heaps()
    from deepfake_tf.detector import Detector
    from deepfake_tf.workers import WorkerPool
    from serving import access, json_log

    flags.check(arguments)
    json_log.set_up()
    command.require_free_port(arguments.host, arguments.port)
    credentials = access.server_credentials(arguments.tls_certificate, arguments.tls_key, arguments.tls_client_ca)
    tokens = access.Tokens(arguments.token_file) if arguments.token_file else None
    # Without the detector's weights every call would fail: say so now, or fetch them now.
    for name in FACE_WEIGHTS:
        assets.blazeface_path(name)
    limits = flags.video_limits(arguments)
    with (
        contextlib.closing(_open_model(arguments, arguments.model_label)) as stable,
        contextlib.closing(_open_model(arguments, arguments.canary_label)) as canary,
        WorkerPool(arguments.workers, limits=limits) as pool,
    ):
        detector = Detector(stable, limits, pool)
        asyncio.run(_run(arguments, detector, canary if arguments.canary_label else None, credentials, tokens))
    return command.DONE


def _open_model(arguments: argparse.Namespace, label: str | None) -> "Predictor":
    from deepfake_tf.predictors import tf_serving
    from serving import access

    credentials = access.channel_credentials(
        arguments.predictor_ca, arguments.predictor_certificate, arguments.predictor_key
    )
    return tf_serving.open_predictor(
        arguments.predictor, model_name=arguments.model_name, label=label or "", credentials=credentials
    )


async def _run(
    arguments: argparse.Namespace,
    detector: "Detector",
    canary: "Predictor | None",
    credentials: "grpc.ServerCredentials | None",
    tokens: "Tokens | None",
) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_health.v1.health import aio as health_aio

    from serving import listening, memory, models
    from serving.access import TokenGate
    from serving.gateway import Gateway
    from serving.monitoring import Monitoring
    from serving.protos.deepfake.v1 import detection_pb2_grpc

    monitoring = Monitoring()
    choose = models.choose_predictor(
        detector.predictor, canary, arguments.canary_share, on_failure=monitoring.count_canary_failure
    )
    gateway = Gateway(
        detector,
        limits=flags.gateway_limits(arguments),
        folder=arguments.upload_dir,
        monitoring=monitoring,
        predictor_for=choose,
    )
    health = health_aio.HealthServicer()
    for service in models.HEALTH_SERVICES:
        await health.set(service, health_pb2.HealthCheckResponse.NOT_SERVING)
    server, port = listening.make_server(
        f"{arguments.host}:{arguments.port}",
        max_open_calls=4 * (arguments.max_calls + arguments.max_jobs),
        credentials=credentials,
        interceptors=[TokenGate(tokens, monitoring.count_refusal)] if tokens else [],
    )
    detection_pb2_grpc.add_DetectionServiceServicer_to_server(gateway, server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    _add_reflection(server)
    async with contextlib.AsyncExitStack() as beside:
        if arguments.web_port is not None:
            from serving.web.serve import served

            await beside.enter_async_context(served(arguments, server))
        beside.enter_context(_metrics_served(arguments, monitoring))
        await server.start()
        watch = asyncio.create_task(models.watch(health, detector.predictor, canary, monitoring))
        giving_back = asyncio.create_task(memory.keep_giving_back())
        at = f"{arguments.host}:{port}, model {arguments.model_name} at {arguments.predictor}"
        print(f"gateway on {at}", flush=True)  # noqa: T201
        await _told_to_stop()
        log.info("stopping: running calls have %g s to end", arguments.drain_sec)
        watch.cancel()
        giving_back.cancel()
        # First nothing new is taken on, then what runs ends, then what is left is cancelled.
        await health.enter_graceful_shutdown()
        end = time.monotonic() + arguments.drain_sec
        await gateway.drain(arguments.drain_sec)
        await server.stop(max(_LAST_CALLS_SEC, end - time.monotonic()))
        gateway.close()


def _add_reflection(server: "grpc.aio.Server") -> None:
    """Lets tools such as grpcurl ask what the services are."""
    from grpc_health.v1 import health_pb2
    from grpc_reflection.v1alpha import reflection

    from serving.protos.deepfake.v1 import detection_pb2

    described = (detection_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR)
    names = [service.full_name for file in described for service in file.services_by_name.values()]
    reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)


@contextlib.contextmanager
def _metrics_served(arguments: argparse.Namespace, monitoring: "Monitoring") -> Iterator[None]:
    if arguments.metrics_port is None:
        yield
        return
    command.require_free_port(arguments.host, arguments.metrics_port)
    port, stop = monitoring.serve(arguments.host, arguments.metrics_port)
    print(f"metrics on {arguments.host}:{port}", flush=True)  # noqa: T201
    try:
        yield
    finally:
        stop()


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    # A second SIGTERM must not turn a clean end, in its last steps, into a killed process.
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
