# Everything is installed into .venv, from pinned and hashed lists. Only Python 3.11 or newer and make are needed.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FAULT ?= crash
RUNS ?= 20
MARKED ?=
SEEDS ?= 1000
SEED ?= 0
FAULTS ?=
VICTIMS ?=
SEQUENCES ?=
COUNT ?=
RESUME ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo lab test check policy bench calm faults model simulate clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/lab.stamp ## Three clouds start here, one dies under load, a report says what became of every payment (FAULT=crash|freeze|partition)
	@$(BIN)/trimaran demo --fault $(FAULT)

lab: $(VENV)/lab.stamp ## The same three clouds, kept up until Ctrl-C, to play with
	@$(BIN)/trimaran lab up

test: $(VENV)/test.stamp ## Every test: unit, contract, protocol on real PostgreSQL, lab from end to end
	$(BIN)/pytest tests/lab $(MARKED) # alone: they time real parts, and two cores are just enough for one lab
	$(if $(MARKED),,$(BIN)/pytest tests/simulation/test_seeds.py) # alone: it takes both cores for minutes
	$(BIN)/pytest --numprocesses 2 --dist loadfile --ignore tests/lab --ignore tests/simulation/test_seeds.py $(MARKED)

check: $(VENV)/test.stamp ## Formatter, linter, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

policy: $(VENV)/test.stamp ## Policies on exported stacks (STATE="prod-aws.json prod-azure.json", from `pulumi stack export`)
	@test -n "$(STATE)" || { echo "name what to look at: make policy STATE=prod-aws.json, from \`pulumi stack export\`" >&2; exit 2; }
	@$(BIN)/python -m policies.check $(STATE)

bench: $(VENV)/test.stamp ## Distributions over many failovers and switchovers, to out/bench/failover.json (RUNS=20)
	RUNS=$(RUNS) $(BIN)/python -m lab.bench

calm: $(VENV)/test.stamp ## Ten minutes of noise in which nothing may fail over
	$(BIN)/python -m lab.calm

faults: $(VENV)/test.stamp ## Every fault at every victim against what docs/failure_modes.md promises, to out/faults (FAULTS=crash,deaf VICTIMS=writer SEQUENCES=random COUNT=100 RESUME=1)
	FAULTS=$(FAULTS) VICTIMS=$(VICTIMS) SEQUENCES=$(SEQUENCES) COUNT=$(COUNT) SEED=$(SEED) RESUME=$(RESUME) $(BIN)/python -m lab.matrix

model: $(VENV)/test.stamp ## Every order of the protocol's steps, also in the searches that are too large for `make test` (docs/model.md)
	$(BIN)/python -m tests.model

simulate: $(VENV)/test.stamp ## The control plane on simulated clouds, one seed after the other (SEEDS=100000 SEED=0)
	$(BIN)/python -m tests.simulation --seed $(SEED) --seeds $(SEEDS)

clean: ## Remove what was built, measured and installed here
	rm -rf out build $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "$(PYTHON) is missing: install Python 3.11 or newer, or name one with PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), too old: Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 2; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make a virtual environment: install its venv module (Debian: python3-venv)" >&2; rm -rf $(VENV); exit 2; }

# The pins first, checked against their hashes; then this project itself, built by the setuptools that is among them. A build in
# isolation, or of a source archive, fetches the newest build tools there are, unchecked: one bad release would run here.
# To make the lists anew: uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url
# --no-annotate --extra lab pyproject.toml -o constraints/lab.txt, and the same with `test` and `infra`. For `workload` and `controller`,
# from which images are made (images/Dockerfile), with --constraint constraints/test.txt: what runs there is what tests have run.
$(VENV)/%.stamp: constraints/%.txt pyproject.toml | $(BIN)/python
	@echo "installing what constraints/$*.txt lists; this takes a while the first time"
	@$(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: -r constraints/$*.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-index --no-build-isolation -e .
	@touch $@
