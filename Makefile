# Every target does its own set-up. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What compiling a module for a Debian 12 kernel needs.
TOOLCHAIN := gcc-12 make binutils libelf1 xz-utils kmod git debian-archive-keyring
# What the tests need besides: to build for the other architecture, to make repositories and read
# them, to sign, and to install packages.
TEST_TOOLS := gcc gcc-12-aarch64-linux-gnu jq rpm rpm2cpio cpio createrepo-c dnf dnf-plugins-core \
	gnupg openssl ccache pahole postgresql
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --no-strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.DEFAULT_GOAL := help
.PHONY: help setup toolchain demo test e2e bench check loader builder matrix dist lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/ready ## make .venv with everything

$(VENV)/ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@scripts/system-packages git
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || scripts/system-packages python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

toolchain: ## install the compiler and what it needs
	@scripts/system-packages $(TOOLCHAIN)

demo: setup toolchain dist ## show the whole loop for real; KERNEL=release, KEEP=directory
	$(BIN)/python -m demo $(if $(KERNEL),--kernel '$(KERNEL)') $(if $(KEEP),--keep '$(KEEP)')

test: setup toolchain dist ## run the tests
	@scripts/system-packages $(TEST_TOOLS)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

e2e: setup toolchain ## build the images for real, and a driver inside of them; needs root
	@scripts/system-packages buildah mmdebstrap
	$(BIN)/python -m pytest tests/e2e

bench: setup toolchain ## measure, side by side with others; tables for docs/performance.md
	@scripts/system-packages $(TEST_TOOLS) wrk
	$(BIN)/python -m bench.rpmmd
	$(BIN)/python -m bench.matrix
	$(BIN)/python -m bench.build
	@command -v npm >/dev/null || scripts/system-packages nodejs npm
	$(BIN)/python -m bench.webhooks
	$(BIN)/python -m bench.requests
	$(BIN)/python -m bench.calls
	$(BIN)/python -m bench.memory

check: setup ## lint, types, workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	scripts/lint-workflows

dist: loader builder matrix ## build all of dist/

loader: setup ## build dist/driver-loader.pyz
	$(BIN)/python scripts/zipapp.py driver-loader

matrix: setup ## build dist/kmodbot-matrix.pyz
	$(BIN)/python scripts/zipapp.py kmodbot-matrix

builder: setup ## build dist/driver-builder.pyz
	$(BIN)/python scripts/zipapp.py driver-builder

lock: setup ## renew the lock files from pyproject.toml
	$(COMPILE) --all-extras --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
