# The gateway: video decoding and face detection, no TensorFlow.
#   docker build -f docker/gateway.Dockerfile -t deepfake-tf-gateway .
FROM python:3.12-slim-bookworm

# What the wheels of OpenCV and MediaPipe link to and do not bring.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libgl1 libgles2 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    XDG_CACHE_HOME=/opt/cache

WORKDIR /opt/deepfake-tf
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY deepfake_tf deepfake_tf
COPY serving serving

# The versions of the lock file, of those packages that the gateway needs.
RUN sed -n 's/^\([A-Za-z0-9._-]*==[^ ;]*\).*/\1/p' requirements.lock > constraints.txt \
    && pip install --constraint constraints.txt --editable ".[gateway]" \
    # The face detector's weights: at run time there may be no network.
    && python -c "from deepfake_tf.assets import blazeface_path; [blazeface_path(name) for name in ('full_range', 'short_range')]" \
    && useradd --system --uid 10001 gateway

USER gateway
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import grpc; from grpc_health.v1 import health_pb2 as h, health_pb2_grpc as g; import sys; sys.exit(g.HealthStub(grpc.insecure_channel('localhost:50051')).Check(h.HealthCheckRequest(), timeout=4).status != 1)"]
ENTRYPOINT ["python", "-m", "serving.server"]
CMD ["--host", "0.0.0.0", "--predictor", "model-server:8500"]
