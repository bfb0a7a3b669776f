"""The container and cluster set-ups agree with the programs that they start; no engine is needed for that.

docker/lint.sh holds them against hadolint and the schemas, tests/benchmarks/image_steps.py runs an image's steps.
"""

import json
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deepfake_tf import schema
from deepfake_tf.detector import MAX_CLIPS_PER_REQUEST

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
CONFIG = ROOT / "serving" / "config"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
OVERRIDES = [path for path in sorted(DOCKER.glob("compose.*.yaml"))]
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
BASE = {
    (one["kind"], one["metadata"]["name"]): one
    for path in sorted((DOCKER / "kubernetes" / "base").glob("*.yaml"))
    for one in yaml.safe_load_all(path.read_text())
    if one["kind"] != "Kustomization"
}


def deployed(name):
    return BASE["Deployment", name]["spec"]["template"]["spec"]


def container(name):
    (only,) = deployed(name)["containers"]
    return only


def value_of(flags, name):
    (value,) = [flag.partition("=")[2] for flag in flags if flag.partition("=")[0] == f"--{name}"]
    return value


def all_flags(service):
    """The flag lists of one program in every file that starts it."""
    lists = [COMPOSE[service]["command"], container(service)["args"]]
    overrides = [yaml.safe_load(path.read_text())["services"] for path in OVERRIDES]
    return lists + [one[service]["command"] for one in overrides if "command" in one.get(service, {})]


def test_every_flag_of_the_gateway_is_one():
    done = subprocess.run([sys.executable, "-m", "serving.server", "--help"], cwd=ROOT, capture_output=True, text=True)
    known = set(re.findall(r"--([a-z-]+)", done.stdout))
    for flags in all_flags("gateway"):
        assert {flag[2:].partition("=")[0] for flag in flags} <= known
    canary = yaml.safe_load((DOCKER / "kubernetes" / "canary" / "kustomization.yaml").read_text())
    added = re.findall(r"value: --([a-z-]+)=", canary["patches"][1]["patch"])
    assert set(added) == {"model-label", "canary-label", "canary-share"} <= known


def test_overrides_differ_only_where_they_say_so():
    """A list in an override takes the place of the whole list."""
    for service, added in [("gateway", {"predictor-", "tls-", "model-label", "canary-"}), ("model-server", set())]:
        first = set(COMPOSE[service]["command"])
        for flags in all_flags(service)[2:]:
            changed = {flag.partition("=")[0] for flag in first ^ set(flags)}
            allowed = {"--model_config_file", "--batching_parameters_file", "--ssl_config_file"}
            allowed |= {"--allow_version_labels_for_unavailable_models", "--per_process_gpu_memory_fraction"}
            assert all(flag in allowed or any(flag[2:].startswith(one) for one in added) for flag in changed), changed


def test_names_and_ports_are_the_contracts():
    web = value_of(COMPOSE["gateway"]["command"], "web-port")
    assert COMPOSE["gateway"]["ports"] == [f"127.0.0.1:{port}:{port}" for port in (schema.GATEWAY_PORT, web)]
    for flags in all_flags("model-server"):
        assert value_of(flags, "port") == str(schema.MODEL_SERVER_PORT)
        assert value_of(flags, "rest_api_port") == str(schema.MODEL_SERVER_REST_PORT)
    for flags in all_flags("gateway"):
        assert value_of(flags, "predictor") == f"model-server:{schema.MODEL_SERVER_PORT}"
        assert value_of(flags, "model-name") == schema.MODEL_NAME
    ports = {one["name"]: one["containerPort"] for one in container("model-server")["ports"]}
    assert ports == {"grpc": schema.MODEL_SERVER_PORT, "http": schema.MODEL_SERVER_REST_PORT}
    assert container("gateway")["ports"][0]["containerPort"] == schema.GATEWAY_PORT
    for name in ("models.config", "models-canary.config"):
        text = (CONFIG / name).read_text()
        assert f'name: "{schema.MODEL_NAME}"' in text
        assert f'base_path: "/models/{schema.MODEL_NAME}"' in text


def test_threads_of_the_model_server_are_more_than_the_gateways_calls():
    for flags, gateway in zip(all_flags("model-server")[:2], all_flags("gateway")[:2], strict=True):
        assert int(value_of(flags, "grpc_max_threads")) > int(value_of(gateway, "max-calls"))
    gateways = BASE["HorizontalPodAutoscaler", "gateway"]["spec"]["maxReplicas"]
    servers = BASE["HorizontalPodAutoscaler", "model-server"]["spec"]["minReplicas"]
    calls = gateways * int(value_of(container("gateway")["args"], "max-calls"))
    assert servers * int(value_of(container("model-server")["args"], "grpc_max_threads")) >= calls


def test_a_gateways_memory_is_enough_for_all_that_it_takes_on():
    units = {"Mi": 2**20, "Gi": 2**30}
    args = container("gateway")["args"]
    stored, one_video = (int(value_of(args, name)) for name in ("max-stored-bytes", "memory-limit-bytes"))
    pod = BASE["Deployment", "gateway"]["spec"]["template"]["spec"]
    sizes = {one["name"]: one["emptyDir"]["sizeLimit"] for one in pod["volumes"] if "emptyDir" in one}
    folders = {name: int(text[:-2]) * units[text[-2:]] for name, text in sizes.items()}
    assert folders["uploads"] > stored
    limit = container("gateway")["resources"]["limits"]["memory"]
    # What the gateway and its workers hold without any video was measured as 300 MiB.
    needed = 2**29 + int(value_of(args, "workers")) * one_video + sum(folders.values())
    assert needed <= int(limit[:-2]) * units[limit[-2:]]


@pytest.mark.parametrize("name", ["batching-cpu.config", "batching-gpu.config"])
def test_batching_takes_every_request_and_keeps_to_the_servers_rules(name):
    text = re.sub(r"#.*", "", (CONFIG / name).read_text())
    values = {key: int(value) for key, value in re.findall(r"(\w+) \{ value: (\d+) \}", text)}
    allowed = [int(value) for value in re.findall(r"allowed_batch_sizes: (\d+)", text)]
    assert re.sub(r"\w+ \{ value: \d+ \}|allowed_batch_sizes: \d+|\s", "", text) == ""
    assert MAX_CLIPS_PER_REQUEST <= values["max_batch_size"] == allowed[-1]
    assert allowed == sorted(set(allowed))
    for flags, gateway in zip(all_flags("model-server")[:2], all_flags("gateway")[:2], strict=True):
        assert int(value_of(flags, "grpc_max_threads")) >= 2 * values["max_batch_size"]
        assert values["max_enqueued_batches"] > int(value_of(gateway, "max-calls"))


def test_every_mounted_or_copied_path_is_there():
    for services in [COMPOSE, *(yaml.safe_load(path.read_text())["services"] for path in OVERRIDES)]:
        for service in services.values():
            for volume in service.get("volumes", []):
                origin = volume.partition(":")[0]
                made_later = origin.startswith(("../servables", "./certificates/"))
                assert made_later or not origin.startswith(".") or (DOCKER / origin).exists(), origin
    config = yaml.safe_load((CONFIG / "kustomization.yaml").read_text())["configMapGenerator"][0]["files"]
    assert set(config) == {path.name for path in CONFIG.glob("*.config")}
    for path in DOCKERFILES:
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", path.read_text(), re.MULTILINE):
            for name in line.split():
                assert (ROOT / name).exists(), name


def test_what_is_copied_is_sent_to_the_engine():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    sent = {line[1:] for line in lines if line.startswith("!")}
    copied = [re.findall(r"^COPY (?!--from)(.*) \S+$", path.read_text(), re.MULTILINE) for path in DOCKERFILES]
    assert {name for lines in copied for line in lines for name in line.split()} == sent


def test_images_are_pinned_and_small_in_what_they_may():
    images = [one["image"] for one in COMPOSE.values() if "build" not in one]
    images += [yaml.safe_load((DOCKER / "compose.gpu.yaml").read_text())["services"]["model-server"]["image"]]
    assert all(re.search(r":v?\d+\.\d+\.\d+(-gpu)?$", image) for image in images), images
    for name, service in COMPOSE.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert "healthcheck" in service or "build" in service, name
    # It has no authentication.
    assert "ports" not in COMPOSE["model-server"]
    assert COMPOSE["model-server"]["networks"] == ["inner"]
    for path in DOCKERFILES:
        text = path.read_text()
        assert re.search(r"^ARG BASE=python:3\.\d+-slim-\w+$", text, re.MULTILINE)
        assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "10001:10001"
        assert "HEALTHCHECK" in text


def test_pods_may_nothing():
    for name in ("gateway", "model-server"):
        pod, only = deployed(name), container(name)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["automountServiceAccountToken"] is False
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(only)
        # What it may write to is memory of its own, and what is not, is mounted read-only.
        memory = {one["name"] for one in pod["volumes"] if "emptyDir" in one}
        assert all(one.get("readOnly") or one["name"] in memory for one in only["volumeMounts"])


def test_a_stop_leaves_time_for_what_is_running():
    for name, drain in [("gateway", float(value_of(container("gateway")["args"], "drain-sec"))), ("model-server", 0)]:
        before = float(container(name)["lifecycle"]["preStop"]["exec"]["command"][1])
        assert deployed(name)["terminationGracePeriodSeconds"] > before + drain
    grace = float(COMPOSE["gateway"]["stop_grace_period"].removesuffix("s"))
    assert grace > float(value_of(COMPOSE["gateway"]["command"], "drain-sec"))


def test_selectors_budgets_and_policies_name_the_pods_that_are_there():
    labels = {
        name: BASE["Deployment", name]["spec"]["template"]["metadata"]["labels"] for name in ("gateway", "model-server")
    }
    for name, own in labels.items():
        assert BASE["Deployment", name]["spec"]["selector"]["matchLabels"] == own
        assert BASE["Service", name]["spec"]["selector"] == own
        assert BASE["PodDisruptionBudget", name]["spec"]["selector"]["matchLabels"] == own
        assert BASE["NetworkPolicy", name]["spec"]["podSelector"]["matchLabels"] == own
        assert BASE["HorizontalPodAutoscaler", name]["spec"]["scaleTargetRef"]["name"] == name
        assert BASE["HorizontalPodAutoscaler", name]["spec"]["minReplicas"] > 1
    (first, _) = BASE["NetworkPolicy", "model-server"]["spec"]["ingress"]
    assert first["from"] == [{"podSelector": {"matchLabels": labels["gateway"]}}]
    assert first["ports"] == [{"port": schema.MODEL_SERVER_PORT}]
    # Nobody but those policies lets anything through.
    assert BASE["NetworkPolicy", "nothing"]["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl builds the overlays, and is not installed")
@pytest.mark.parametrize(
    ("overlay", "program", "flag"),
    [
        ("canary", "model-server", "--model_config_file=/config/models-canary.config"),
        ("canary", "gateway", "--canary-label=canary"),
        ("gpu", "model-server", "--batching_parameters_file=/config/batching-gpu.config"),
    ],
)
def test_overlays_change_what_they_say(overlay, program, flag):
    command = ["kubectl", "kustomize", str(DOCKER / "kubernetes" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)}
    assert {kind for kind, _ in found} == {kind for kind, _ in BASE} | {"ConfigMap"}
    (only,) = found["Deployment", program]["spec"]["template"]["spec"]["containers"]
    assert flag in only["args"]
    names = [one.partition("=")[0] for one in only["args"]]
    assert len(names) == len(set(names))


def test_prometheus_and_the_dashboard_ask_for_figures_that_are_there():
    from serving.monitoring import Monitoring

    told = {one.name for one in Monitoring().registry.collect()}
    text = (DOCKER / "alerts.yaml").read_text() + (DOCKER / "grafana" / "deepfake.json").read_text()
    asked = {re.sub(r"_(total|bucket)$", "", name) for name in re.findall(r"\bdeepfake_\w+", text)}
    assert len(asked) > 6
    assert asked <= told
    prometheus = yaml.safe_load((DOCKER / "prometheus.yaml").read_text())
    jobs = {one["job_name"]: one for one in prometheus["scrape_configs"]}
    metrics_port = value_of(COMPOSE["gateway"]["command"], "metrics-port")
    assert jobs["gateway"]["static_configs"] == [{"targets": [f"gateway:{metrics_port}"]}]
    assert jobs["model-server"]["static_configs"] == [{"targets": [f"model-server:{schema.MODEL_SERVER_REST_PORT}"]}]
    assert f'path: "{jobs["model-server"]["metrics_path"]}"' in (CONFIG / "monitoring.config").read_text()
    panels = json.loads((DOCKER / "grafana" / "deepfake.json").read_text())["panels"]
    assert len({one["id"] for one in panels}) == len(panels)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates, and is not installed")
def test_certificates_let_in_who_has_one_and_nobody_else(tmp_path):
    done = subprocess.run(
        [str(DOCKER / "certificates.sh"), str(tmp_path), "localhost", "model-server"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    config = (tmp_path / "ssl.config").read_text()
    fields = dict(re.findall(r'^(\w+): "(.*)"$', config, re.MULTILINE))
    for field, name in [("server_key", "server.key"), ("server_cert", "server.pem"), ("custom_ca", "ca.pem")]:
        # Text protos know \n as C does.
        assert fields[field].replace("\\n", "\n") == (tmp_path / name).read_text()
    assert "client_verify: true" in config
    assert (tmp_path / "ca.key").stat().st_mode & 0o77 == 0

    def handshake(certificate, *, server_name):
        """Both sides in memory, no socket."""
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
        client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        if certificate:
            client.load_cert_chain(tmp_path / f"{certificate}.pem", tmp_path / f"{certificate}.key")
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(down, up, server_hostname=server_name)
        theirs = server.wrap_bio(up, down, server_side=True)
        for _ in range(4):
            for side in (ours, theirs):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    pass
        return theirs.getpeercert()["subject"]

    assert handshake("client", server_name="model-server") == ((("commonName", "deepfake-tf client"),),)
    for certificate, name in [(None, "localhost"), ("server", "localhost"), ("client", "elsewhere")]:
        with pytest.raises(ssl.SSLError):
            handshake(certificate, server_name=name)


def test_certificates_for_nobody_are_wrong_use(tmp_path):
    done = subprocess.run([str(DOCKER / "certificates.sh"), str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["error: name the hosts that the server certificate is for, such as localhost"],
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["models.config", "models-canary.config"])
def test_models_config_is_a_model_server_config(name):
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    parsed = text_format.Parse((CONFIG / name).read_text(), model_server_config_pb2.ModelServerConfig())
    (config,) = parsed.model_config_list.config
    assert config.model_platform == "tensorflow"
    if name == "models.config":
        assert config.model_version_policy.latest.num_versions == 1
    else:
        # A label is for a version that is served, or asking for it fails.
        assert set(config.version_labels) == {"stable", "canary"}
        assert set(config.version_labels.values()) <= set(config.model_version_policy.specific.versions)
