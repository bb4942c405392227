PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

.PHONY: help demo test test-slow lint clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(VENV)/experiments  ## set up, then grok modular multiplication with Grokfast in about a minute
	$(RUN) -m experiments.modular --method grokfast_ema --operation mul --stop-when-held 200

test: $(VENV)/dev  ## set up, then run all tests but the slow ones
	$(RUN) -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/dev  ## the slow tests
	$(RUN) -m pytest -m slow

lint: $(VENV)/dev  ## format, lint and type check
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m pyright

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/experiments: pyproject.toml | $(VENV)/bin/python
	$(RUN) -m pip install --disable-pip-version-check -e ".[experiments]"
	@touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/bin/python
	$(RUN) -m pip install --disable-pip-version-check -e ".[experiments,dev]"
	@touch $@ $(VENV)/experiments

clean:  ## remove the environment and the caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
