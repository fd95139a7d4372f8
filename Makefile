# The two commands a newcomer types are `make sweep` and `make test`; both install what they need first.
# Tests come in three tiers: `make test-fast` in a minute, `make test`, and `make test-all`, which CI calls.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
# A worker a core, four at most; a file's tests stay together, since they share what they have trained.
TEST := $(RUN) -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile
# What the fast tier asks: whether the mathematics, the data's semantics and the layers hold, without a sweep.
FAST := equations laws divergences minibatch statistics movement parity datasets next_actions groups \
        rows reports score_tables layers docs

.PHONY: sweep test-fast test test-all wheel-test docs lint format

$(VENV)/installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -qq --upgrade pip
	$(RUN) -m pip install -qq --editable '.[test]'
	touch $@

sweep: $(VENV)/installed
	$(RUN) benchmarks/sweep_perturbation.py --preset=quick

test-fast: $(VENV)/installed
	$(TEST) -m "not slow" $(FAST:%=tests/test_%.py)

test: $(VENV)/installed
	$(TEST) -m "not slow"

test-all: $(VENV)/installed
	$(TEST) --hypothesis-profile=full

# The sdist, the wheel that it makes, and that wheel in an environment and a folder that hold nothing else.
wheel-test: $(VENV)/installed
	$(RUN) .ci/wheel.py

# The site of README.md and docs/, in site/. Every warning is an error, a link that leads nowhere among them.
docs: $(VENV)/installed
	$(RUN) -m pip install -qq --editable '.[docs]'
	$(RUN) -m mkdocs build

lint: $(VENV)/installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: $(VENV)/installed
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .
