PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

.PHONY: help demo leaderboard test test-gate test-slow test-floor bench pages docs notebooks lint wheel clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(VENV)/experiments  ## set up, then grok + − × ÷ with the recipe, and × with Grokfast, in about a minute
	$(RUN) -m experiments.studies demo --out runs/demo

leaderboard: $(VENV)/experiments  ## set up, then train and score the benchmark's methods anew (hours; resumes)
	$(RUN) -m experiments.studies leaderboard --out runs/leaderboard

test: $(VENV)/dev  ## set up, then run the tests that a change should pass (five minutes on two cores)
	$(RUN) -m pytest -n 2

test-gate: $(VENV)/dev  ## the expensive ones: processes that are killed, several hosts, notebooks
	$(RUN) -m pytest -n 2 -m "gate and not slow"

test-slow: $(VENV)/dev  ## the ones that take minutes each
	$(RUN) -m pytest -n 2 -m slow

# The floor differs in its libraries alone. So what rests on them: the contract with some kinds of
# cases, numbers, compiled programs, Optax's suite, runs and command lines; not what filters prove.
# Here LLVM optimizes, as it does for users.
# Of the methods, whole runs of those that differ most; all are traced, and their chains compared.
FLOOR_CASES := multiscale] or ma] or fir] or iir_first] or gate_in_gate] or compression_not_bias] or grokfast_adam]
FLOOR_SMOKE := baseline- or grokfast_ma- or ema_delayed_compression- or egalitarian_gradient- \
	or cap_params_norm- or stablemax-
FLOOR_RUNS := test_run.py::test_smoke test_run.py::test_it_stops_when_held \
	test_run.py::test_bad_input_is_one_line_and_exit_code_2 \
	test_resume.py::test_a_run_resumes_where_it_was \
	test_resume.py::test_a_checkpoint_of_bfloat16_and_keys
NOTEBOOK_RUNS := test_it_runs_to_the_end_and_all_its_programs_lower_for_a_tpu
FLOOR := $(filter-out tests/test_properties.py tests/test_port_bugs.py tests/test_project.py,$(wildcard tests/test_*.py)) \
	tests/contract tests/docs/test_code.py $(FLOOR_RUNS:%=tests/experiments/runs/%) tests/experiments/methods/test_optimizers.py \
	tests/experiments/training/test_train.py \
	tests/experiments/tasks/test_real_data_runs.py::test_smoke \
	$(foreach name,quickstart your_model,"tests/colab/test_notebooks.py::$(NOTEBOOK_RUNS)[$(name)]")

test-floor: $(VENV)-floor/dev  ## the library and the smoke runs on the oldest versions allowed
	XLA_FLAGS= $(VENV)-floor/bin/python -m pytest -n 2 -m "not slow" $(FLOOR) \
		-k "(not contract or $(FLOOR_CASES)) and (not test_run.py or not test_smoke or $(FLOOR_SMOKE))"

bench: $(VENV)/experiments  ## set up, then measure speed and memory (an hour or two on two cores)
	$(RUN) -m experiments.benchmarks

pages: $(VENV)/dev  ## rewrite the numbers of all pages, from the logs
	$(RUN) -m experiments.pages

docs: $(VENV)/docs  ## build the site into build/docs, warnings and broken links being errors
	rm -rf build/docs
	$(RUN) -m sphinx -b html -W --keep-going -q -j auto docs build/docs
	$(RUN) docs/check_links.py build/docs

notebooks: $(VENV)/dev  ## set up, then run the notebooks and keep what they show (ten minutes on two cores)
	$(RUN) colab/save.py

lint: $(VENV)/dev  ## format, lint and type check
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m pyright

wheel: $(VENV)/bin/python  ## build the wheel and the sdist into dist/, and try both where nothing else is
	rm -rf dist build/empty
	$(RUN) -m pip install -q --disable-pip-version-check build
	$(RUN) -m build -q
	$(RUN) -m zipfile -l dist/*.whl | awk 'NR > 1 && $$1 !~ /^grokfax(\/|-[0-9.]+\.dist-info\/)/ { print "not of the library:", $$1; bad = 1 } END { exit bad }'
	$(PYTHON) -m venv build/empty
	build/empty/bin/python -m pip install -q --disable-pip-version-check dist/*.whl
	cd build && empty/bin/python ../tests/installed.py
	build/empty/bin/python -m pip install -q --disable-pip-version-check --force-reinstall --no-deps dist/*.tar.gz
	cd build && empty/bin/python -c 'import jax.numpy as jnp, grokfax; tx = grokfax.grokfast_ema(); \
	  tx.update(jnp.ones(3), tx.init(jnp.ones(3))); print("grokfax", grokfax.__version__, "from the sdist")'

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/experiments: pyproject.toml | $(VENV)/bin/python
	$(RUN) -m pip install --disable-pip-version-check -e ".[experiments]"
	@touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/bin/python
	$(RUN) -m pip install --disable-pip-version-check -e ".[experiments,data,clients,docs,dev]"
	@touch $@ $(VENV)/experiments $(VENV)/docs

$(VENV)/docs: pyproject.toml | $(VENV)/bin/python
	$(RUN) -m pip install --disable-pip-version-check -e ".[docs]"
	@touch $@

$(VENV)-floor/dev: pyproject.toml tests/floor.txt
	$(PYTHON) -m venv $(VENV)-floor
	$(VENV)-floor/bin/python -m pip install --disable-pip-version-check -c tests/floor.txt -e ".[experiments,dev]"
	@touch $@

clean:  ## remove the environment and the caches
	rm -rf $(VENV) $(VENV)-floor .pytest_cache .ruff_cache .hypothesis
