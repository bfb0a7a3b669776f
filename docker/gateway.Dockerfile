# The gateway: video decoding and face detection, no TensorFlow.
#   docker build -f docker/gateway.Dockerfile -t deepfake-tf-gateway .
#
# Pinned by version: the base by its tag, the Python packages by requirements.lock. Where a digest is at hand,
# name it: --build-arg BASE=python:3.12-slim-bookworm@sha256:...
ARG BASE=python:3.12-slim-bookworm

# What is only needed to install stays behind in this stage.
FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    XDG_CACHE_HOME=/opt/cache
WORKDIR /opt/deepfake-tf
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY deepfake_tf deepfake_tf
COPY serving serving
# The versions of the lock file, of those packages that the gateway needs.
RUN sed -n 's/^\([A-Za-z0-9._-]*==[^ ;]*\).*/\1/p' requirements.lock > constraints.txt \
    && pip install --constraint constraints.txt ".[gateway]" \
    # Three packages bring OpenCV into the same folder. The one without windows is a third of their size, and needs no
    # libraries of a screen.
    && pip uninstall --yes opencv-python opencv-contrib-python opencv-python-headless \
    && pip install --no-deps --constraint constraints.txt opencv-python-headless
# The face detector's weights: at run time there may be no network.
RUN python -c "from deepfake_tf.assets import blazeface_path; [blazeface_path(name) for name in ('full_range', 'short_range')]"

FROM ${BASE}
# What the wheel of MediaPipe links to and does not bring. Debian's own point releases mend them: no versions.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libgles2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 gateway
ENV PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/opt/cache \
    PATH=/opt/venv/bin:$PATH
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/cache /opt/cache
COPY docker/healthy.py /opt/healthy.py
WORKDIR /opt
# By number, so that a cluster sees that it is not root.
USER 10001:10001
EXPOSE 50051 8080 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "/opt/healthy.py", "localhost:50051"]
ENTRYPOINT ["python", "-m", "serving.server"]
CMD ["--host", "0.0.0.0", "--predictor", "model-server:8500"]
