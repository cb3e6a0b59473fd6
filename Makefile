# The project's own commands. `make demo` and `make test` need only Python 3.11+, make and a package registry.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never

.PHONY: help setup demo test test-faults test-deploy unit laws check format bench docs clean fuzz test-redteam lint-module

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: .venv/.ready ## create .venv with the locked dependencies

.venv/.ready: pyproject.toml uv.lock
	@test -x $(UV) || { $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Keepstone needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	  $(PYTHON) -m venv .venv && $(BIN)/pip --quiet --disable-pip-version-check install 'uv>=0.8'; }
	$(UV) sync --frozen --inexact --quiet
	@touch $@

demo: setup ## start a gateway, drive it with boto3, print what happened and why
	$(BIN)/keepstone demo

test: setup ## every test, with real clients
	$(BIN)/pytest -n auto --dist loadfile -m "not faults and not deploy_trial"

test-faults: setup ## the long trials: killed workers, a cut network, ten thousand connections
	$(BIN)/pytest -m faults

test-deploy: setup ## the module for real: Terraform and the AWS provider against a test AWS (7 minutes)
	$(BIN)/pytest tests/deploy -m deploy_trial -n 4 --dist loadfile

unit: setup ## the fast suite: a few examples of each law, nothing that starts processes
	KEEPSTONE_QUICK=1 $(BIN)/pytest tests/unit -n auto -q -m "not slow"

laws: setup ## look for what breaks a law: other examples at every run, and twenty times as many
	KEEPSTONE_LAWS=search $(BIN)/pytest tests/unit -n auto -q -m "not slow" -k "$(LAW)"

check: setup ## format, lint, types, import floors, generated reference
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.reference --check
	$(BIN)/python -m tools.regions --check
	$(BIN)/python -m tools.module --check

fuzz: setup ## fuzz every codec of the wire with atheris, FUZZ_SECONDS (20) each
	$(BIN)/python -m tests.fuzz.run $(or $(FUZZ_SECONDS),20)

test-redteam: setup .venv-redteam/.ready ## garak and inspect-ai against a gateway; installs both and PyTorch, 2 GB
	$(BIN)/pytest tests/redteam/tools.py

.venv-redteam/.ready: tests/redteam/requirements.txt
	test -x .venv-redteam/bin/pip || $(PYTHON) -m venv .venv-redteam
	.venv-redteam/bin/pip --quiet --disable-pip-version-check install -r tests/redteam/requirements.txt
	@touch $@

lint-module: setup .venv-lint/.ready ## checkov over the module, plans, image and chart: what it finds is mended or explained; installs it, 300 MB
	$(BIN)/pytest tests/deploy/lint.py

.venv-lint/.ready: tests/deploy/lint_requirements.txt
	test -x .venv-lint/bin/pip || $(PYTHON) -m venv .venv-lint
	.venv-lint/bin/pip --quiet --disable-pip-version-check install -r tests/deploy/lint_requirements.txt
	@touch $@

format: setup ## rewrite the code in our format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## measure beside other gateways, a bare proxy and the floors (13 minutes)
	bench/run

docs: setup ## regenerate the reference pages
	$(BIN)/python -m docs.reference

clean: ## remove what the targets above made
	rm -rf .venv .venv-lint .venv-redteam bench/.work .mypy_cache .ruff_cache .pytest_cache .hypothesis
