PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

.PHONY: help demo test test-slow test-floor lint clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(VENV)/experiments  ## set up, then grok modular multiplication with Grokfast in about a minute
	$(RUN) -m experiments.modular --method grokfast_ema --operation mul --stop-when-held 200

test: $(VENV)/dev  ## set up, then run all tests
	$(RUN) -m pytest -n 2

# The contract on the floor: a case of each kind, for what may differ there is the libraries.
FLOOR_CASES := [multiscale] or [ma] or [fir] or [iir_first] or [gate_in_gate] or [compression_not_bias] or [grokfast_adam]

test-slow: $(VENV)/dev  ## set up, then run the tests that take minutes
	$(RUN) -m pytest -n 2 -m slow

test-floor: $(VENV)-floor/dev  ## the library and the smoke runs on the oldest versions allowed
	$(VENV)-floor/bin/python -m pytest -n 2 tests/test_*.py tests/contract tests/experiments/test_runs.py \
		tests/experiments/test_real_data_runs.py::test_smoke \
		-k "not contract or $(FLOOR_CASES)"

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
	$(RUN) -m pip install --disable-pip-version-check -e ".[experiments,data,dev]"
	@touch $@ $(VENV)/experiments

$(VENV)-floor/dev: pyproject.toml tests/floor.txt
	$(PYTHON) -m venv $(VENV)-floor
	$(VENV)-floor/bin/python -m pip install --disable-pip-version-check -c tests/floor.txt -e ".[experiments,dev]"
	@touch $@

clean:  ## remove the environment and the caches
	rm -rf $(VENV) $(VENV)-floor .pytest_cache .ruff_cache .hypothesis
