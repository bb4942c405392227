"""Every loop of a compiled evaluation has a length that the compiler knows.

On a GPU a loop whose length is traced waits for the host at each iteration.
"""

import re

import jax
import jax.numpy as jnp
import pytest

from experiments.runs import plan, settings
from experiments.tasks import TASKS, imdb
from experiments.training.population import Population

SMALL = {"width": 16, "heads": 2, "layers": 1}
TINY = {
  "modular": {"p": 7, "batch_size": 8, **SMALL},
  "s5": {"train_fraction": 0.01, "batch_size": 64, **SMALL},
  "parity": {"width": 16},
  "teacher": {"width": 16},
  "adder": {"digits": 6, "batch_size": 8},
}


def trip_counts(text):
  """How often each loop of a compiled program's text is run; None where only the data says it."""
  counts = []
  for line in text.splitlines():
    if re.match(r"\s*(ROOT )?%\S+ = .* while\(", line):
      known = re.search(r'"known_trip_count":\{"n":"(\d+)"\}', line)
      counts.append(int(known[1]) if known else None)
  return counts


def text_of(function, *args):
  return jax.jit(function).lower(*args).compile().as_text()


def test_a_traced_length_is_found():
  def product(steps, x):
    return jax.lax.fori_loop(0, steps, lambda _, x: x @ x, x)

  def among_static_ones(steps, x):
    return jax.lax.scan(lambda x, _: (product(steps, x), None), x, length=9)[0]

  def until_large(x):
    return jax.lax.while_loop(lambda x: x.max() < 10, lambda x: x @ x, x)

  x = jnp.full((4, 4), 0.5)
  assert trip_counts(text_of(lambda x: product(9, x), x)) == [9]
  assert trip_counts(text_of(product, 9, x)) == [None]
  assert set(trip_counts(text_of(among_static_ones, 3, x))) == {None, 9}
  assert trip_counts(text_of(until_large, x)) == [None]


@pytest.mark.parametrize("name", [*TASKS, "imdb, as on an accelerator"])
def test_an_evaluation_has_static_loops_alone(name, prepared, monkeypatch):
  task, _, elsewhere = name.partition(", ")
  if elsewhere:
    monkeypatch.setattr(imdb, "TOGETHER", None)
  chosen = settings.make(task, **TINY.get(task, {"data": prepared}))
  train, (init, _) = plan.train_of(chosen), plan.init_of(chosen)
  epochs = chosen["eval_every"] if chosen["eval_every"] > 1 else 2  # a loop of one is none
  population = Population(train, init, epochs=epochs)
  counts = trip_counts(population.program.as_text())
  assert None not in counts
  loops = {epochs, train.epoch_steps(init.split)} - {1}
  assert loops <= set(counts), "loops of training are there"
