"""Matrix products of rounded operands, against NumPy in float64."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.tasks import modular
from experiments.tasks.models.layers import bfloat16_product
from experiments.tasks.task import score

RNG = np.random.default_rng(0)


def rounded(array):
  return np.asarray(jnp.asarray(array).astype(jnp.bfloat16)).astype(np.float64)


def assert_sums_are_float32(ours, exact, terms):
  """Closer than a sum in bfloat16, with its eight bits, could be."""
  assert ours.dtype == jnp.float32
  scale = np.sqrt(terms)
  np.testing.assert_allclose(ours, exact, rtol=1e-5, atol=1e-5 * scale)


def test_operands_are_rounded_and_sums_are_not():
  x, kernel, g = (
    RNG.normal(size=shape).astype(np.float32) for shape in ((512, 128), (128, 384), (512, 384))
  )
  out, gradients = jax.vjp(bfloat16_product, x, kernel)
  assert_sums_are_float32(out, rounded(x) @ rounded(kernel), 128)
  by_x, by_kernel = gradients(jnp.asarray(g))
  assert_sums_are_float32(by_x, rounded(g) @ rounded(kernel).T, 384)
  assert_sums_are_float32(by_kernel, rounded(x).T @ rounded(g), 512)
  assert np.abs(out - x.astype(np.float64) @ kernel).max() > 1e-3, "the operands were rounded"


def test_of_members_side_by_side():
  x, kernel = RNG.normal(size=(3, 5, 4)), RNG.normal(size=(3, 4, 2))
  x, kernel = jnp.float32(x), jnp.float32(kernel)

  def loss(x, kernel):
    return jnp.sum(jnp.sin(bfloat16_product(x, kernel)))

  together = jax.vmap(jax.grad(loss, argnums=(0, 1)))(x, kernel)
  alone = [jax.grad(loss, argnums=(0, 1))(*each) for each in zip(x, kernel, strict=True)]
  for i, gradients in enumerate(alone):
    for one, all_ in zip(gradients, together, strict=True):
      np.testing.assert_allclose(all_[i], one, rtol=1e-6)


def test_the_model_with_rounded_operands():
  """The same parameters, and answers as near as eight bits are."""
  sizes = {"p": 7, "width": 16, "heads": 2, "layers": 1}
  plain, mixed = (
    modular.model(modular.Settings(operands=operands, **sizes))
    for operands in ("float32", "bfloat16")
  )
  params, others = (jax.jit(each.init)(jax.random.key(0)) for each in (plain, mixed))
  jax.tree.map(np.testing.assert_array_equal, params, others)
  rows = tuple(jnp.asarray(column) for column in modular.table("mul", 7))

  def objective(model):
    return jax.jit(jax.value_and_grad(lambda params: score(model, params, rows)["loss"].mean()))

  (loss, gradients), (near, near_gradients) = (objective(each)(params) for each in (plain, mixed))
  assert loss != near
  np.testing.assert_allclose(near, loss, rtol=1e-2)
  for one, other in zip(*map(jax.tree.leaves, (gradients, near_gradients)), strict=True):
    assert other.dtype == jnp.float32
    assert jnp.linalg.norm(one - other) <= 0.05 * jnp.linalg.norm(one) + 1e-4


@pytest.mark.usefixtures("fused_as_for_users")
def test_no_product_is_made_in_float32():
  """In the gradient of a true batch; XLA's CPU backend would, with a transposition folded in."""
  model = modular.model(modular.Settings(operands="bfloat16"))
  rows = tuple(jnp.asarray(column[:512]) for column in modular.table("mul", 97))
  gradient = jax.grad(lambda params: score(model, params, rows)["loss"].mean())
  compiled = jax.jit(gradient).lower(jax.eval_shape(model.init, jax.random.key(0))).compile()
  text = compiled.as_text()
  types = dict(re.findall(r"(%?[\w.-]+) = (\w+)\[", text))
  operands = [
    types[name] for pair in re.findall(r" dot\((%?[\w.-]+), (%?[\w.-]+)\)", text) for name in pair
  ]
  assert len(operands) >= 40
  assert set(operands) == {"bf16"}
