# The three words of this project: demo, test, check. Each makes .venv and installs requirements.lock first.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
# A file of tests is one process's, so that what it prepares is prepared once; each process holds TensorFlow in memory.
# In the order of tests/conftest.py: the plugin's own, files of many tests first, leaves the longest to the end.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses=4 --dist loadfile --no-loadscope-reorder -rs

.PHONY: demo test check lint protos lock clean

demo: $(INSTALLED)
	$(BIN)/python -m pipelines.demo

test: $(INSTALLED) lint
	$(PYTEST) -m "slow or not slow" --durations=10

check: $(INSTALLED) lint
	$(PYTEST)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(INSTALLED): requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11 to 3.13 is needed; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	touch $@

# Generated stubs: run after editing a .proto file, and commit what it wrote.
protos: $(INSTALLED)
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. deepfake_tf/protos/wire.proto
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. serving/protos/deepfake/v1/detection.proto
	$(BIN)/python -m serving.web.openapi

# One set of versions for Python 3.11 to 3.13, with hashes.
lock:
	$(PYTHON) -m pip install --quiet uv
	$(PYTHON) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-header --no-emit-index-url --upgrade --quiet --output-file requirements.lock

clean:
	rm -rf .venv demo
