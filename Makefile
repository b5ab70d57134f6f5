# The developer's commands. `make test` sets up what the tests need on a fresh Debian, as root.

PYTHON ?= python3
TEST_PYTHON := .venv-test/bin/python

# The lock holds for every Python from the oldest one on, so the oldest one resolves it.
LOCK_PYTHON ?= python3.11
LOCK_ENV := build/lock-env
PIP_COMPILE = $(LOCK_ENV)/bin/pip-compile --quiet --no-config --generate-hashes --allow-unsafe \
	--strip-extras --no-emit-options $(if $(UPGRADE),--upgrade)

.PHONY: test lint unit integration ssh environment test-host lock clean

test: lint unit integration

lint: environment
	$(TEST_PYTHON) -m ruff check .
	$(TEST_PYTHON) -m ruff format --check .
	$(TEST_PYTHON) -m mypy
	$(TEST_PYTHON) -m mypy --config-file agent/pyproject.toml agent/zport_agent agent/zport_zoo

unit: environment
	$(TEST_PYTHON) -m pytest -n auto tests/unit

integration: environment test-host
	$(TEST_PYTHON) -m pytest tests/integration

# Another machine of IBM Z, emulated whole: it takes long, so no other target runs it.
ssh: environment test-host
	ZPORT_EMULATED_MACHINE=1 $(TEST_PYTHON) -m pytest -s tests/integration/test_ssh_runner.py -k ibm_z

environment:
	$(PYTHON) build.py --setup-tests

test-host:
	$(PYTHON) build.py --setup-only --engine buildah
	ci/setup-test-host
	ci/start-dockerd

# Versions stay as they are unless pyproject.toml asks for others: `make lock UPGRADE=1` takes the
# newest.
lock: export CUSTOM_COMPILE_COMMAND := make lock
lock:
	$(LOCK_PYTHON) -m venv --clear $(LOCK_ENV)
	$(LOCK_ENV)/bin/python -m pip install --quiet pip-tools==7.6.2
	$(PIP_COMPILE) --output-file requirements.lock pyproject.toml
	$(PIP_COMPILE) --output-file requirements-test.lock --extra test \
		--constraint requirements.lock pyproject.toml

clean:
	rm -rf build .venv .venv-test .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
