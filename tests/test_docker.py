"""The container set-up agrees with the programs that it starts; no container engine is needed for that."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deepfake_tf import schema

ROOT = Path(__file__).parent.parent
COMPOSE = (ROOT / "docker" / "compose.yaml").read_text()


def test_the_gateways_flags_are_flags_of_the_gateway():
    gateway = COMPOSE[COMPOSE.index("\n  gateway:") :]
    flags = re.findall(r"^ +- --([a-z-]+)=", gateway, re.MULTILINE)
    assert {"host", "predictor", "upload-dir"} <= set(flags)
    done = subprocess.run([sys.executable, "-m", "serving.server", "--help"], cwd=ROOT, capture_output=True, text=True)
    known = set(re.findall(r"--([a-z-]+)", done.stdout))
    assert set(flags) <= known


def test_names_and_ports_are_the_contracts():
    assert f"127.0.0.1:{schema.GATEWAY_PORT}:{schema.GATEWAY_PORT}" in COMPOSE
    assert f"--port={schema.MODEL_SERVER_PORT}" in COMPOSE
    assert f"--rest_api_port={schema.MODEL_SERVER_REST_PORT}" in COMPOSE
    assert f"--predictor=model-server:{schema.MODEL_SERVER_PORT}" in COMPOSE
    models = (ROOT / "serving" / "config" / "models.config").read_text()
    assert f'name: "{schema.MODEL_NAME}"' in models
    assert f'base_path: "/models/{schema.MODEL_NAME}"' in models


def test_every_mounted_or_copied_path_is_there():
    for path in re.findall(r"- \.\./([\w/]+):", COMPOSE):
        assert path == "servables" or (ROOT / path).is_dir(), path
    dockerfile = (ROOT / "docker" / "gateway.Dockerfile").read_text()
    for line in re.findall(r"^COPY (.*) \S+$", dockerfile, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists(), name


def test_the_image_is_pinned_and_the_model_server_is_not_published():
    assert re.search(r"image: tensorflow/serving:2\.\d+\.\d+\n", COMPOSE)
    server = COMPOSE[COMPOSE.index("\n  model-server:") : COMPOSE.index("\n  gateway:")]
    assert "ports:" not in server


@pytest.mark.slow
def test_models_config_is_a_model_server_config():
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    text = (ROOT / "serving" / "config" / "models.config").read_text()
    parsed = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (config,) = parsed.model_config_list.config
    assert config.model_platform == "tensorflow"
    assert config.model_version_policy.latest.num_versions == 1
