"""The gateway's flags, and what is wrong with them."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_tf import command, schema
from deepfake_tf.errors import ConfigError
from deepfake_tf.schema import Limits

if TYPE_CHECKING:
    from serving.gateway import GatewayLimits

_ABOVE_ZERO = (
    *(
        "workers",
        "max_calls",
        "max_jobs",
        "max_live",
        "max_stored_bytes",
        "max_bytes",
        "max_duration_sec",
        "max_pixels",
        "max_faces",
        "memory_limit_bytes",
    ),
    *("time_limit_sec", "upload_sec", "live_sec", "deadline_sec"),
)


def parser() -> command.Parser:
    """Returns the parser of the gateway's flags."""
    made = command.Parser("The gateway: takes videos over gRPC, asks a model server, answers with verdicts.")
    _add_model(made.add_argument_group("the model"))
    _add_ports(made.add_argument_group("who may call"))
    _add_limits(made.add_argument_group("what is taken on"))
    return made


def _add_model(group: "argparse._ArgumentGroup") -> None:
    target = f"localhost:{schema.MODEL_SERVER_PORT}"
    group.add_argument("--predictor", default=target, help="host:port of the model server")
    group.add_argument("--model-name", default=schema.MODEL_NAME, help="name that the model is served under")
    group.add_argument("--model-label", help="version label that is asked, such as stable")
    group.add_argument("--canary-label", help="version label that is tried on a share of the videos")
    group.add_argument("--canary-share", type=float, default=0.05, help="of the videos; where it fails, stable judges")
    group.add_argument("--predictor-ca", type=Path, help="CA of the model server (PEM): ask it over TLS")
    group.add_argument("--predictor-certificate", type=Path, help="our certificate for the model server (PEM)")
    group.add_argument("--predictor-key", type=Path, help="its private key (PEM)")


def _add_ports(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all")
    group.add_argument("--port", type=int, default=schema.GATEWAY_PORT, help="0 takes a free one")
    group.add_argument("--token-file", type=Path, help="tokens, one a line; without it anybody may call")
    group.add_argument("--tls-certificate", type=Path, help="our certificate chain (PEM): TLS on the port")
    group.add_argument("--tls-key", type=Path, help="its private key (PEM)")
    group.add_argument("--tls-client-ca", type=Path, help="CA of the callers (PEM): they must show a certificate")
    group.add_argument("--metrics-port", type=int, help="counts for Prometheus, over plain HTTP")
    group.add_argument("--web-port", type=int, help="the web page and REST, with the same tokens and certificates")
    group.add_argument("--model-card", type=Path, help="MODEL_CARD.md of the model that is served, for the page")
    group.add_argument("--web-names", nargs="+", metavar="NAME", help="host names of the page besides localhost")


def _add_limits(group: "argparse._ArgumentGroup") -> None:
    limits = Limits()
    group.add_argument("--workers", type=int, default=2, help="processes that turn videos into clips")
    group.add_argument("--max-calls", type=int, default=32, help="videos whose callers wait; more are told to retry")
    group.add_argument("--max-jobs", type=int, default=256, help="jobs that are known, ended ones among them")
    group.add_argument("--max-live", type=int, default=4, help="live streams")
    group.add_argument("--max-stored-bytes", type=int, default=4 * 1024**3, help="of all uploads together")
    group.add_argument("--max-bytes", type=int, default=512 * 1024**2, help="of an upload")
    group.add_argument("--max-duration-sec", type=float, default=limits.max_duration_sec, help="of a video")
    group.add_argument("--max-pixels", type=int, default=limits.max_pixels, help="of a frame")
    group.add_argument("--max-faces", type=int, default=limits.max_faces, help="followed through a video")
    group.add_argument("--time-limit-sec", type=float, default=300.0, help="for turning one video into clips")
    group.add_argument(
        "--memory-limit-bytes", type=int, default=limits.memory_limit_bytes, help="that one video may take in a worker"
    )
    group.add_argument("--upload-sec", type=float, default=300.0, help="for an upload")
    group.add_argument("--live-sec", type=float, default=3600.0, help="for a live stream")
    group.add_argument("--deadline-sec", type=float, default=900.0, help="for a whole call, upload included")
    group.add_argument("--drain-sec", type=float, default=30.0, help="for calls and jobs when told to stop")
    group.add_argument("--upload-dir", type=Path, help="file system that uploads lie on while they are worked on")


def check(arguments: argparse.Namespace) -> None:
    """Raises ConfigError for what makes no sense."""
    for name in _ABOVE_ZERO:
        value = getattr(arguments, name)
        if not 0 < value < math.inf:
            raise ConfigError(f"{_flag(name)} must be above 0. Received: {value}")
    for name in ("port", "metrics_port", "web_port"):
        value = getattr(arguments, name)
        if value is not None and not 0 <= value < 65536:
            raise ConfigError(f"{_flag(name)} must lie between 0 and 65535. Received: {value}")
    if not 0 <= arguments.canary_share <= 1:
        raise ConfigError(f"--canary-share must lie between 0 and 1. Received: {arguments.canary_share}")
    if arguments.canary_label and not arguments.model_label:
        # The newest version may well be the canary itself.
        raise ConfigError("--canary-label needs --model-label, the label of the version that judges the rest.")
    if arguments.upload_dir is not None and not arguments.upload_dir.is_dir():
        raise ConfigError(f"--upload-dir must be a folder that is there. Received: {arguments.upload_dir}")


def video_limits(arguments: argparse.Namespace) -> Limits:
    """Returns what one video may cost."""
    return Limits(
        max_bytes=arguments.max_bytes,
        max_duration_sec=arguments.max_duration_sec,
        max_pixels=arguments.max_pixels,
        max_faces=arguments.max_faces,
        time_limit_sec=arguments.time_limit_sec,
        memory_limit_bytes=arguments.memory_limit_bytes,
    )


def gateway_limits(arguments: argparse.Namespace) -> "GatewayLimits":
    """Returns what all of them together may cost."""
    from serving.gateway import GatewayLimits

    return GatewayLimits(
        max_calls=arguments.max_calls,
        max_jobs=arguments.max_jobs,
        max_live=arguments.max_live,
        max_stored_bytes=arguments.max_stored_bytes,
        upload_sec=arguments.upload_sec,
        live_sec=arguments.live_sec,
        deadline_sec=arguments.deadline_sec,
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
