"""Ends with 0 if a gateway is healthy: python healthy.py HOST:PORT [CA.pem]. The image has no other tool for it."""

import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

DEADLINE_SEC = 4


def main(target: str, ca_file: str = "") -> int:
    """Asks once.

    Args:
        target: host:port of the gateway.
        ca_file: CA that its certificate is of; without one it is asked without TLS.

    Returns:
        0 if it serves, 1 if it does not, or does not answer.
    """
    trusted = grpc.ssl_channel_credentials(Path(ca_file).read_bytes()) if ca_file else None
    with grpc.secure_channel(target, trusted) if trusted else grpc.insecure_channel(target) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE_SEC)
        except grpc.RpcError as error:
            sys.stderr.write(f"error: {target} does not answer: {error.code().name} ({error.details()})\n")
            return 1
    return 0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
