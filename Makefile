# `make` alone lists what there is. Needs Python >= 3.10 with its venv module, and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LIGHT  := $(VENV)/.installed
READY  := $(VENV)/.ready
# Python compiles what it imports, and keeps it; pip would compile all of it, which takes longer than the demo itself.
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# Many tests wait for a fleet to come up, so there are more of them at a time than there are processors.
WORKERS ?= 4
# A file's tests stay together, in the order of the folders: the long ones come first.
PYTEST := $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder

# Where this is set, Python compiles the program at each of the thousand starts that the tests need.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help demo test check lint format integration bench wheel pyz release man pictures clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

# The program and its seven libraries: all that the demo needs.
$(LIGHT): pyproject.toml rollback/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "make: $(PYTHON) is older than 3.10: name another one, e.g. make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "make: this Python has no venv module: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	@echo "make: creating a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "make: installing rollback and its libraries into it from the package index (about 6 MB)"
	@$(PIP) --editable . || \
	  { echo "make: that needs PyPI or a mirror of it, e.g. PIP_INDEX_URL=https://mirror.example.com/simple" >&2; exit 1; }
	@touch $@

# What the tests and checks need besides.
$(READY): $(LIGHT)
	@echo "make: installing the developer tools (about 150 MB unpacked)"
	@$(PIP) --editable '.[dev]'
	@touch $@

demo: $(LIGHT) ## a rollback and an undo on a small fleet on this machine; installs only the program
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh demo/demo.sh

test: $(READY) ## every test that this machine has the parts for; the others say what they miss
	$(PYTEST)

check: lint test ## what CI checks

lint: $(READY) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

integration: $(READY) ## install the real parts (registries, dcos, ansible, …), then run the tests that use them
	for parts in $(filter-out .ci/parts-bench,$(sort $(wildcard .ci/parts*))); do bash $$parts; done
	$(PYTEST) tests/integration tests/contract tests/e2e
	RANDOM_SEEDS=1..200 $(BIN)/python -m pytest --numprocesses=$(WORKERS) tests/faults/test_random_runs.py
	KILL_STEPS=1..200 $(BIN)/python -m pytest --numprocesses=2 tests/integration/kubernetes/test_kills.py

bench: $(READY) ## measure requests, time and memory against other tools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt
	bash .ci/parts-bench
	bash .ci/parts-kubernetes
	$(BIN)/python -m benchmarks.kubernetes
	$(BIN)/python -m benchmarks.registry
	bash .ci/parts-ci-integrations
	$(BIN)/python -m benchmarks.ansible_step
	$(BIN)/python -m benchmarks.first_minute

wheel: $(READY) ## build dist/*.whl
	$(BIN)/python -m build --wheel --outdir dist

pyz: $(READY) ## build dist/rollback.pyz, one file that any Python runs
	$(BIN)/python packaging/build_pyz.py

release: $(READY) ## build the source archive, the wheel and rollback.pyz with checksums, the same bytes each time
	$(BIN)/python packaging/release.py

man: $(READY) ## build dist/rollback.1, the man page
	$(BIN)/python packaging/man.py

pictures: $(READY) ## make the documents' pictures anew (needs Chromium)
	$(BIN)/python docs/pictures/make.py

clean: ## remove what was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
