# The two commands a newcomer types are `make sweep` and `make test`; both install what they need first.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

.PHONY: sweep test test-all lint format

$(VENV)/installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -qq --upgrade pip
	$(RUN) -m pip install -qq --editable '.[test]'
	touch $@

sweep: $(VENV)/installed
	$(RUN) benchmarks/sweep_perturbation.py --preset=quick

test: $(VENV)/installed
	$(RUN) -m pytest -m "not slow"

test-all: $(VENV)/installed
	$(RUN) -m pytest

lint: $(VENV)/installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: $(VENV)/installed
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .
