# `make study` sets up and runs the 2019 study; `make test` sets up what the tests need and runs all of them.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
CONSTRAINTS := constraints.txt

.PHONY: study test lint types unit docs fuzz live r chromium format clean

study: $(VENV)/.installed
	$(BIN)/jaxsim run experiments/seed_grid.py --out results/seed_grid

test: $(VENV)/.installed-dev r chromium lint types unit

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-dev
	$(BIN)/mypy

unit: $(VENV)/.installed-dev
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# The site, in docs/_build/html; a warning is an error.
docs: $(VENV)/.installed-dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "the site: docs/_build/html/index.html"

# Random attacks on everything that people give, for an hour; what breaks a rule is printed with the numbers that make it again.
fuzz: $(VENV)/.installed-dev
	$(BIN)/python tests/fuzz.py 3600

# A thousand random frames and formulas, asked here and of R, for an hour; what one side alone refuses or what differs is printed.
live: $(VENV)/.installed-dev r
	$(BIN)/python tests/lme4/asked.py 1000 1

r:
	scripts/install_r.sh

chromium:
	scripts/install_chromium.sh

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "jaxsim needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e .
	touch $@

# ABI mode: rpy2 can then be installed before R is.
$(VENV)/.installed-dev: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	RPY2_CFFI_MODE=ABI $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[dev,lme4]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist docs/_build docs/made docs/reference/made *.egg-info .pytest_cache .mypy_cache .ruff_cache
