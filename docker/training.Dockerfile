# Everything: extraction, training, tuning, evaluation, export.
#   docker build -f docker/training.Dockerfile -t deepfake-tf-training .
#   docker run --rm -v "$PWD/data:/data" deepfake-tf-training pipelines.train /data/clips --out /data/run
# With the libraries for NVIDIA's GPUs: --build-arg TENSORFLOW=tensorflow[and-cuda], and run with --gpus all.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
ARG TENSORFLOW=tensorflow
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    XDG_CACHE_HOME=/opt/cache
WORKDIR /opt/deepfake-tf
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY deepfake_tf deepfake_tf
COPY pipelines pipelines
COPY serving serving
RUN sed -n 's/^\([A-Za-z0-9._-]*==[^ ;]*\).*/\1/p' requirements.lock > constraints.txt \
    && pip install --constraint constraints.txt ".[pipeline]" "${TENSORFLOW}" \
    # Three packages bring OpenCV into the same folder; the one without windows needs no libraries of a screen.
    && pip uninstall --yes opencv-python opencv-contrib-python opencv-python-headless \
    && pip install --no-deps --constraint constraints.txt opencv-python-headless
RUN python -c "from deepfake_tf.assets import blazeface_path; [blazeface_path(name) for name in ('full_range', 'short_range')]"

FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libgles2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home training \
    && install --directory --owner=10001 /data
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/opt/cache \
    PATH=/opt/venv/bin:$PATH
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/cache /opt/cache
WORKDIR /data
USER 10001:10001
# It serves nothing: that it runs is all there is to know.
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m"]
CMD ["pipelines.train", "--help"]
