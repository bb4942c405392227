"""What a step of each method costs: FLOPs against formulas, arrays, milliseconds."""

import jax
import jax.numpy as jnp
import pytest

from experiments.benchmarks import methods
from experiments.benchmarks.flops import flops
from experiments.runs import plan, settings

X, Y = jax.ShapeDtypeStruct((7, 2, 3), jnp.float32), jax.ShapeDtypeStruct((7, 3, 5), jnp.float32)


def test_a_product_is_two_operations_for_each_number_that_is_multiplied():
  assert flops(jnp.matmul, X, Y) == 2 * 7 * 2 * 3 * 5
  assert flops(lambda x, y: x + 1, X, Y) == 0
  assert flops(jax.jit(lambda x, y: x @ y), X, Y) == flops(jnp.matmul, X, Y)


def test_the_body_of_a_loop_counts_as_often_as_it_runs():
  def loop(x, y):
    return jax.lax.scan(lambda carry, _: (carry, x @ y), 0, length=4)[1]

  assert flops(loop, X, Y) == 4 * flops(jnp.matmul, X, Y)


def test_a_loop_of_unknown_length_is_refused():
  square = jax.ShapeDtypeStruct((3, 3), jnp.float32)
  endless = lambda x: jax.lax.while_loop(lambda y: y.sum() < 9, lambda y: y @ y, x)  # noqa: E731
  with pytest.raises(ValueError, match="while has matrix products"):
    flops(endless, square)


def made(**own):
  given = {"model": "quadratic", "width": 32, "p": 11, "batch_size": 20}
  return settings.make("modular", method="baseline", **given, **own)


def test_a_step_of_the_quadratic_network():
  """Its one product forward, and two for the gradient."""
  chosen = made(optimizer="adamw")
  member, _ = plan.init_of(chosen)
  assert methods.step_flops(plan.train_of(chosen), member) == 3 * 2 * 20 * 32 * 11


def test_rows():
  chosen = {"adamw": made(optimizer="adamw"), "sgd": made(optimizer="sgd")}
  adamw, sgd = methods.rows_of(chosen, seconds=0.01)
  assert (adamw["setting"], adamw["state arrays"]) == ("adamw", 2)
  assert (sgd["setting"], sgd["state arrays"]) == ("sgd", 1)
  median, low, high = adamw["ms a step"]
  assert 0 < low <= median <= high


def test_the_benchmark_s_methods_are_found():
  found = methods.leaderboard()
  assert found["quadratic_muon"]["model"] == "quadratic"
