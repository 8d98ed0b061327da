# Two commands: `make demo` and `make test`. Each does all its own set-up, once.
SHELL := /bin/bash
PYTHON ?= python3
export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
# The several hundred programs that tests start read compiled modules instead of compiling all of them again.
unexport PYTHONDONTWRITEBYTECODE
# Hard links from the cache cost no disk; another file system gets copies.
export UV_LINK_MODE ?= hardlink
UV := .tools/bin/uv
WHEELS ?= wheels
ENGINE ?= docker
# `make TORCH=cpu demo` installs PyTorch's CPU build and only what the demonstration needs, in an environment of its own.
ifeq ($(TORCH),cpu)
VENV := .venv-cpu
LOCK := simulation-cpu
INSTALLED := --editable .
# PyTorch's own builds; where they cannot be reached, UV_FIND_LINKS names a folder that holds the wheel.
ifeq ($(UV_FIND_LINKS),)
export UV_TORCH_BACKEND := cpu
endif
else
VENV := .venv
LOCK := dev
INSTALLED := --editable . --editable ./evidence
endif
BIN := $(VENV)/bin

.PHONY: demo test check docs evidence evidence-check gpu gpu-wheels images site-image coordinator-image lock schemas clean help
.DEFAULT_GOAL := help

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 18

.tools/ready: requirements/tools.txt
	@echo "· setting up the installer"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "fedhcc needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.11 …")'
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	@touch $@

$(VENV)/ready: .tools/ready requirements/$(LOCK).txt pyproject.toml evidence/pyproject.toml
	@echo "· installing the locked packages (7.4 GB, or 2.2 GB with TORCH=cpu; minutes the first time)"
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/$(LOCK).txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps $(INSTALLED)
	@touch $@

demo: $(VENV)/ready ## the whole study on simulated patients, with a report to look at (3 to 4 minutes on 2 cores, set-up included, where the index is near)
	@$(BIN)/fedhcc-sim run --preset demo --out demo-run

# Three processes for two cores: end-to-end tests wait for programs a fifth of the time.
test: .venv/ready ## all tests
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder -m "not evidence and not gpu" --durations=15 --junitxml=.pytest_cache/junit.xml
	@$(BIN)/python -m tests.skips .pytest_cache/junit.xml

.tools/containers/ready: .tools/ready requirements/containers.txt
	@echo "· setting up the checks of image and compose files"
	@test -x .tools/containers/bin/python || $(UV) venv --quiet --python $(PYTHON) .tools/containers
	@$(UV) pip sync --quiet --python .tools/containers/bin/python --require-hashes requirements/containers.txt
	@touch $@

check: .venv/ready .tools/containers/ready ## style, types, layers, dependencies, spelling, secrets, image and compose files, and whether the evidence page tells what is there
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .
	@$(BIN)/codespell
	@$(BIN)/python -m tests.secrets_check
	@.tools/containers/bin/hadolint docker/site.Dockerfile docker/coordinator.Dockerfile
	@.tools/containers/bin/check-jsonschema --builtin-schema vendor.compose-spec docker/compose.site.yaml docker/compose.coordinator.yaml
	@$(BIN)/python -m evidence.index --check

.tools/docs/ready: .tools/ready requirements/docs.txt
	@echo "· setting up the site builder"
	@test -x .tools/docs/bin/python || $(UV) venv --quiet --python $(PYTHON) .tools/docs
	@$(UV) pip sync --quiet --python .tools/docs/bin/python --require-hashes requirements/docs.txt
	@touch $@

docs: .tools/docs/ready ## the documentation as a site in site/, every link between its pages checked
	@# --quiet would hide the warnings that --strict counts.
	@NO_MKDOCS_2_WARNING=1 .tools/docs/bin/python -m mkdocs build --strict

evidence: .venv/ready ## the long comparisons, faults, attacks and benchmarks (hours); writes docs/evidence
	@$(BIN)/python -m evidence.everything

evidence-check: .venv/ready ## is every piece of evidence as new as the code it speaks for?
	@$(BIN)/python -m evidence.record

gpu-wheels: .tools/ready ## fetch what `make gpu` installs into the folder WHEELS, on a machine that has an index
	@$(PYTHON) -m pip download --quiet --only-binary :all: --require-hashes -r requirements/gpu.txt -d $(WHEELS)

gpu: ## the GPU check, offline, under 9 minutes: make gpu WHEELS=folder, or GPU_PYTHON=python of an environment that has the packages
	@PYTHONPATH=$(CURDIR) $(PYTHON) -P -m evidence.gpu.gpu_here $(if $(GPU_PYTHON),,--wheels "$(WHEELS)")
	@test -n "$(GPU_PYTHON)" || { $(PYTHON) -m venv .gpu && \
	  PIP_NO_INDEX=1 PIP_FIND_LINKS="$(WHEELS)" .gpu/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/gpu.txt; }
	@PYTHONPATH=$(CURDIR) $(or $(GPU_PYTHON),.gpu/bin/python) -P -m evidence.gpu.measure

# Podman and Buildah drop the health check without a word for the format; Docker knows no such word.
FORMAT := $(if $(filter docker,$(notdir $(firstword $(ENGINE)))),,--format docker)
# PyTorch's own CPU builds; where they cannot be reached, TORCH_WHEELS names a folder that holds the wheel (Podman, Buildah).
# FRESH=1 uses no layer of an earlier build.
FROM_WHEELS := --volume $(abspath $(TORCH_WHEELS)):/wheels:ro --build-arg UV_FIND_LINKS=/wheels
BUILD = $(ENGINE) build $(FORMAT) $(if $(TORCH_WHEELS),$(FROM_WHEELS),--build-arg UV_TORCH_BACKEND=cpu) \
  --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null || echo unknown) $(if $(FRESH),--no-cache) $(BUILD_OPTIONS)

images: site-image coordinator-image ## build both CPU images with Docker, Podman or Buildah (ENGINE) from their unmodified Dockerfiles

site-image:
	$(BUILD) -f docker/site.Dockerfile --build-arg LOCK=site-cpu -t fedhcc-site:cpu .

coordinator-image:
	$(BUILD) -f docker/coordinator.Dockerfile -t fedhcc-coordinator:cpu .

lock: .tools/ready ## refresh requirements/*.txt from pyproject.toml
	@for extra in site coordinator dev; do \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade --extra $$extra pyproject.toml -o requirements/$$extra.txt; done
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade requirements/containers.in -o requirements/containers.txt
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --constraint requirements/dev.txt --extra site pyproject.toml requirements/gpu.in -o requirements/gpu.txt
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade requirements/docs.in -o requirements/docs.txt
	@cp requirements/dev.txt requirements/simulation.txt
	@for extra in site coordinator simulation; do cp requirements/$$extra.txt requirements/$$extra-cpu.txt && \
	  UV_TORCH_BACKEND=cpu $(UV) pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-header --override requirements/cpu-overrides.txt --extra $$extra pyproject.toml -o requirements/$$extra-cpu.txt; done
	@rm requirements/simulation.txt

schemas: .venv/ready ## regenerate the schemas and the pages generated from the code
	@$(BIN)/python -m site_config.reference.generated_pages
	@$(BIN)/python -m shared_model.asked_page
	@$(BIN)/python -m server.report.paper_page

clean: ## remove what make built
	rm -rf .venv .venv-cpu .tools demo-run build site *.egg-info
