# The whole set-up is `make demo` or `make test`; each installs first what it needs.

# An active environment is used (conda's base is not one to install into), else .venv here.
CONDA_ENVIRONMENT := $(if $(filter base,$(CONDA_DEFAULT_ENV)),,$(CONDA_PREFIX))
ENVIRONMENT := $(or $(VIRTUAL_ENV),$(CONDA_ENVIRONMENT),$(CURDIR)/.venv)
PYTHON ?= python3
TORCH ?= default

BIN := $(ENVIRONMENT)/bin
INSTALL = $(PYTHON) install.py --environment "$(ENVIRONMENT)" --torch $(TORCH)
PYTEST = "$(BIN)/python" -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help python install install-dev demo test test-all lint format types bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "Python 3.11 or newer is needed, and there is no '$(PYTHON)' on the path." >&2; exit 1; }

install: python  ## make .venv, or use the active environment; TORCH=cpu for torch's CPU build
	@$(INSTALL)

install-dev: python  ## the same, and what tests and benchmarks need
	@$(INSTALL) --dev

demo: install  ## invent, train and confirm rewards for a cart-pole: the main job
	@"$(BIN)/rewardgen" run configs/demo.yaml

test: install-dev  ## run the tests but the slow ones
	@$(PYTEST) -m "not slow"

test-all: install-dev  ## run every test
	@$(PYTEST)

lint: install-dev  ## check style, format and import directions
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/lint-imports" --no-cache

format: install-dev  ## rewrite files in the project's format
	@"$(BIN)/ruff" check --fix .
	@"$(BIN)/ruff" format .

types: install-dev  ## check types, strictly
	@"$(BIN)/pyright" --pythonpath "$(BIN)/python"

bench: install-dev  ## run all benchmarks and renew their tables; takes long
	@for script in $$(grep -l __main__ benchmarks/*.py | grep -v -e tables -e cards); do \
		echo "== $$script"; "$(BIN)/python" $$script || exit 1; done
	@"$(BIN)/python" -m benchmarks.tables
	@"$(BIN)/python" -m benchmarks.cards

clean:  ## remove .venv, caches and builds; runs/ stays
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
