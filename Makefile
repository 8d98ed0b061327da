# Two commands: `make demo` and `make test`. Each does all its own set-up, once.
SHELL := /bin/bash
PYTHON ?= python3
export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export UV_LINK_MODE := copy
UV := .tools/bin/uv
BIN := .venv/bin

.PHONY: demo test check evidence evidence-check lock schemas clean help
.DEFAULT_GOAL := help

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 18

.tools/ready: requirements/tools.txt
	@echo "· setting up the installer"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fedhcc needs Python 3.11 or newer; name one: make PYTHON=python3.11 …")'
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	@touch $@

.venv/ready: .tools/ready requirements/dev.txt pyproject.toml evidence/pyproject.toml
	@echo "· installing the locked packages (about 6 GB with torch; minutes the first time)"
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable . --editable ./evidence
	@touch $@

demo: .venv/ready ## the whole study on simulated patients, with a report to look at (2 to 3 minutes on 2 cores, once installed)
	@$(BIN)/fedhcc-sim run --preset demo --out demo-run

test: .venv/ready ## all tests
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not evidence" --durations=15 --junitxml=.pytest_cache/junit.xml
	@$(BIN)/python -m tests.skips .pytest_cache/junit.xml

check: .venv/ready ## style, types, layers, dependencies, spelling, secrets, and whether the evidence page tells what is there
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .
	@$(BIN)/codespell
	@$(BIN)/python -m tests.secrets_check
	@$(BIN)/python -m evidence.index --check

evidence: .venv/ready ## the long comparisons, faults, attacks and benchmarks (hours); writes docs/evidence
	@$(BIN)/python -m evidence.everything

evidence-check: .venv/ready ## is every piece of evidence as new as the code it speaks for?
	@$(BIN)/python -m evidence.record

lock: .tools/ready ## refresh requirements/*.txt from pyproject.toml
	@for extra in site coordinator dev; do \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade --extra $$extra pyproject.toml -o requirements/$$extra.txt; done

schemas: .venv/ready ## regenerate the schemas and the pages generated from the code
	@$(BIN)/python -m site_config.reference.pages

clean: ## remove what make built
	rm -rf .venv .tools demo-run build *.egg-info
